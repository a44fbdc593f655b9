import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { spawnPty } from './ptyProcess.ts';

/** Less than Linux holds of a terminal, so that the program ends unread; more than it hands out at once. */
const unreadBytes = 8_000;

it('takes what a terminal still holds before it closes it', async () => {
  const exited = Promise.withResolvers<undefined>();
  const ended = Promise.withResolvers<undefined>();
  let bytes = 0;
  const pty = spawnPty(
    {
      file: '/bin/sh',
      args: ['-c', `read go; exec head -c ${unreadBytes} /dev/zero`],
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      cols: 80,
      rows: 24,
    },
    {
      onData: (data) => {
        bytes += data.length;
      },
      onExit: () => {
        exited.resolve(undefined);
      },
      onEnd: () => {
        ended.resolve(undefined);
      },
    },
  );
  // As a host is that does not come to read. Reading has to have begun, or nothing would be there to be paused.
  await turn();
  pty.pause();
  pty.write(Buffer.from('\n'));
  await exited.promise;
  expect(bytes).toBe(0);
  pty.close();
  await ended.promise;
  expect(bytes).toBe('\r\n'.length + unreadBytes);
});
