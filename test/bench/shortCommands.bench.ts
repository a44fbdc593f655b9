import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
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
import { plainEnvironment, runInTerminal, startHostUnderTest } from './hostUnderTest.ts';
import { race, report } from './race.ts';

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
  const incomplete = { ours: 0, plain: 0 };
  try {
    const commands = prepareShortCommands(join(folder, 'text'), mixedCommands);
    const parts = mixedCommands / mixedPart;
    let ours = 0;
    let plain = 0;
    const run =
      (runOne: RunInTerminal, part: () => number, add: (lost: number) => void) =>
      async (): Promise<number> => {
        const index = part();
        const slice = commands.slice(index * mixedPart, (index + 1) * mixedPart);
        const startMs = performance.now();
        add(
          await countIncomplete(slice, shortCommandsAtOnce[index % shortCommandsAtOnce.length] ?? 1, runOne),
        );
        const perSecond = mixedPart / ((performance.now() - startMs) / 1000);
        await removeEnded(host);
        return perSecond;
      };
    await race(
      {
        title: `${mixedCommands} commands of 1 B to 5 MB, 1 to 32 at once`,
        unit: 'commands/s',
        better: 'higher',
        rounds: parts,
        target: { 'plain node-pty': 0.9 },
      },
      [
        {
          name: 'process host',
          run: run(
            async (file, args, onData) => {
              await runInTerminal(host, file, args, onData);
            },
            () => ours++,
            (lost) => {
              incomplete.ours += lost;
            },
          ),
        },
        {
          name: 'plain node-pty',
          run: run(
            runPlain,
            () => plain++,
            (lost) => {
              incomplete.plain += lost;
            },
          ),
        },
      ],
    );
    report(`of ${mixedCommands} outputs, not complete and right (target 0)`, {
      'process host': incomplete.ours,
      'plain node-pty': incomplete.plain,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
