import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnPty } from 'node-pty';
import type { ProcessHost } from '../../src/core/ports/processHost.ts';
import {
  countIncomplete,
  prepareShortCommands,
  type RunInTerminal,
  shortCommandsAtOnce,
} from '../harness/shortCommands.ts';
import { ownMiB, plainEnvironment, runInTerminal, startHostUnderTest } from './hostUnderTest.ts';
import { type Contender, race, report } from './race.ts';

const bytesEach = 20_480;
const commands = 500;
const atOnce = 8;
/** `head` of zeros through `tr`: printable, so that the terminal driver changes nothing. */
const command = `head -c ${bytesEach} /dev/zero | tr '\\0' x`;

const mixedCommands = 100_000;
/** Both peers run the same part, one after the other. */
const mixedPart = 500;

/** How many a second, and whether every byte came before the exit was reported. */
export async function benchShortCommands(): Promise<void> {
  const underTest = await startHostUnderTest();
  const truncated = { ours: 0, plain: 0 };
  try {
    await race(
      {
        title: `short commands: ${commands} × ${bytesEach / 1024} KB, ${atOnce} at once`,
        unit: 'commands/s',
        better: 'higher',
        rounds: 5,
        target: { 'plain node-pty': 0.9 },
      },
      [
        {
          name: 'process host',
          run: () =>
            rate(async () => {
              const hash = createHash('sha256');
              let length = 0;
              await runInTerminal(underTest.host, '/bin/sh', ['-c', command], (data) => {
                length += data.byteLength;
                hash.update(data);
              });
              if (length !== bytesEach || hash.digest('hex') !== expectedHash) truncated.ours++;
            }),
        },
        { name: 'plain node-pty', run: () => rate(async () => plainRun(truncated)) },
      ],
    );
    report('short commands whose output was not complete', {
      'process host': truncated.ours,
      'plain node-pty': truncated.plain,
    });
    await removeEnded(underTest.host);
    await mixedRace(underTest.host);
  } finally {
    await underTest.dispose();
  }
}

/** Outputs of 1 B to 5 MB, 1 to 32 at once, each checked by its hash. */
async function mixedRace(host: ProcessHost): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrator-short-commands-'));
  try {
    const commands = prepareShortCommands(join(folder, 'text'), mixedCommands);
    const incomplete: Record<string, number> = {};
    const pid = (await host.stats())?.pid ?? Number.NaN;
    const held = [whatItHolds(pid)];
    const ours: RunInTerminal = async (file, args, onData) => {
      await runInTerminal(host, file, args, onData);
    };
    const contender = (name: string, runOne: RunInTerminal): Contender => {
      let part = 0;
      incomplete[name] = 0;
      return {
        name,
        run: async () => {
          const slice = commands.slice(part * mixedPart, (part + 1) * mixedPart);
          const atOnce = shortCommandsAtOnce[part % shortCommandsAtOnce.length] ?? 1;
          const startMs = performance.now();
          const lost = await countIncomplete(slice, atOnce, runOne);
          const perSecond = mixedPart / ((performance.now() - startMs) / 1000);
          incomplete[name] = (incomplete[name] ?? 0) + lost;
          part += 1;
          await removeEnded(host);
          if (runOne === ours && part * mixedPart * 2 === mixedCommands) held.push(whatItHolds(pid));
          return perSecond;
        },
      };
    };
    await race(
      {
        title: `${mixedCommands} commands of 1 B to 5 MB, 1 to 32 at once`,
        unit: 'commands/s',
        better: 'higher',
        rounds: mixedCommands / mixedPart,
        target: { 'plain node-pty': 0.9 },
      },
      [contender('process host', ours), contender('plain node-pty', runPlain)],
    );
    report(`of ${mixedCommands} outputs, not complete and right (target 0)`, incomplete);
    held.push(whatItHolds(pid));
    report('what the process host holds before, half-way and after (target: flat)', {
      descriptors: held.map(({ descriptors }) => descriptors).join(', '),
      'memory (MiB)': held.map(({ memoryMiB }) => memoryMiB.toFixed(0)).join(', '),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function whatItHolds(pid: number): { descriptors: number; memoryMiB: number } {
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, memoryMiB: ownMiB(pid) };
}

/** Between rounds, so that neither peer waits for it: node-pty keeps nothing that could be deleted. */
async function removeEnded(host: ProcessHost): Promise<void> {
  const ended = (await host.listTerminals()).filter(({ exit }) => exit !== undefined);
  await Promise.all(ended.map(({ id }) => host.removeTerminal(id)));
}

const runPlain: RunInTerminal = (file, args, onData) =>
  new Promise((resolve) => {
    const pty = spawnPty(file, [...args], { cwd: '/', env: { ...plainEnvironment }, encoding: null });
    let hasEnded = false;
    // Typed as text, but bytes without an encoding.
    pty.onData((data: string | Buffer) => {
      if (!hasEnded) onData(Buffer.from(data as Buffer));
    });
    pty.onExit(() => {
      hasEnded = true;
      resolve();
    });
  });

const expectedHash = createHash('sha256').update('x'.repeat(bytesEach)).digest('hex');

async function plainRun(truncated: { plain: number }): Promise<void> {
  let length = 0;
  await runPlain('/bin/sh', ['-c', command], (data) => {
    length += data.length;
  });
  if (length !== bytesEach) truncated.plain++;
}

/** @returns commands a second. */
async function rate(run: () => Promise<void>): Promise<number> {
  let left = commands;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await run();
    }),
  );
  return commands / ((performance.now() - startMs) / 1000);
}
