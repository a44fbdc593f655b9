// Loaded into a process host before its program: writes the delays of its event loop down when it ends, in ms.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const path = new URL(import.meta.url).searchParams.get('to') ?? '';
const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();
process.on('exit', () => {
  // It samples every millisecond, and counts that as well.
  const [p50, p99, max] = [loop.percentile(50), loop.percentile(99), loop.max].map((ns) => ns / 1e6 - 1);
  writeFileSync(path, JSON.stringify({ p50, p99, max }));
});
