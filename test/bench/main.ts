/**
 * `npm run bench [name …]`: every benchmark, or those named. Prints the machine first, since figures mean nothing
 * without it. Results are copied by hand into docs/performance.md, with the date.
 */
import { cpus, release, totalmem, type } from 'node:os';

const benchmarks: Readonly<Record<string, () => Promise<void>>> = {
  shortCommands: async () => (await import('./shortCommands.bench.ts')).benchShortCommands(),
  throughput: async () => (await import('./throughput.bench.ts')).benchThroughput(),
  latency: async () => (await import('./latency.bench.ts')).benchLatency(),
  memory: async () => (await import('./memory.bench.ts')).benchMemory(),
  runs: async () => (await import('./runs.bench.ts')).benchRuns(),
  events: async () => (await import('./events.bench.ts')).benchEvents(),
  editor: async () => (await import('./editor.bench.ts')).benchEditor(),
  grpc: async () => (await import('./grpc.bench.ts')).benchGrpc(),
  fanout: async () => (await import('./fanout.bench.ts')).benchFanout(),
  sse: async () => (await import('./sse.bench.ts')).benchSse(),
  containers: async () => (await import('./containers.bench.ts')).benchContainers(),
  containerStarts: async () => (await import('./containerStarts.bench.ts')).benchContainerStarts(),
  activation: async () => (await import('./activation.bench.ts')).benchActivation(),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benchmarks));
if (unknown.length > 0) {
  console.error(
    `No benchmark named ${unknown.join(', ')}. There are: ${Object.keys(benchmarks).join(', ')}.`,
  );
  process.exit(2);
}

console.log(
  `${new Date().toISOString().slice(0, 10)} · ${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'} · ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB · ${type()} ${release()} · Node ${process.versions.node}`,
);
for (const [name, run] of Object.entries(benchmarks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  await run();
}
