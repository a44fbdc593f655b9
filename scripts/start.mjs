// npm start [-- <folder>] [--port N] [--server] [--headless [orchestrator serve arguments]]
//
// Runs under the Node of the machine (20 or later) on a fresh clone: everything else it brings itself.
const major = Number(process.versions.node.split('.')[0]);
if (major < 20) {
  console.error(`Node.js 20 or later is needed to begin; this is ${process.version}.`);
  process.exit(1);
}
const { exitWith } = await import('./lib/run.mjs');
await exitWith(async () => (await import('./lib/start.mjs')).start(process.argv.slice(2)));
export {};
