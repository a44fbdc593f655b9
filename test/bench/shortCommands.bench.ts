import { createHash } from 'node:crypto';
import { spawn as spawnPty } from 'node-pty';
import { plainEnvironment, runInTerminal, startHostUnderTest } from './hostUnderTest.ts';
import { race, report } from './race.ts';

const bytesEach = 20_480;
const commands = 500;
const atOnce = 8;
/** `head` of zeros through `tr`: printable, so that the terminal driver changes nothing. */
const command = `head -c ${bytesEach} /dev/zero | tr '\\0' x`;

/** 20 KB commands, 8 at once: how many a second, and whether every byte came before the exit was reported. */
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
  } finally {
    await underTest.dispose();
  }
}

const expectedHash = createHash('sha256').update('x'.repeat(bytesEach)).digest('hex');

function plainRun(truncated: { plain: number }): Promise<void> {
  return new Promise((resolve) => {
    const pty = spawnPty('/bin/sh', ['-c', command], {
      cwd: '/',
      env: { ...plainEnvironment },
      encoding: null,
    });
    let length = 0;
    pty.onData((data) => {
      length += data.length;
    });
    pty.onExit(() => {
      if (length !== bytesEach) truncated.plain++;
      resolve();
    });
  });
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
