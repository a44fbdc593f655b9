// npm test [-- --only unit,build ...]: sets everything up, then runs every stage.
//
// Runs under the Node of the machine (20 or later) on a fresh clone; the stages run under the pinned Node 24.
const major = Number(process.versions.node.split('.')[0]);
if (major < 20) {
  console.error(`Node.js 20 or later is needed to begin; this is ${process.version}.`);
  process.exit(1);
}
const { exitWith, runInForeground } = await import('./lib/run.mjs');
const setup = await import('./lib/setup.mjs');

await exitWith(async () => {
  await setup.ensureDependencies();
  const node = setup.productNode();
  await setup.ensureDebianPackages(setup.testPackages);
  await setup.ensureVscodeServer();
  const args = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', 'test/stages.ts', ...process.argv.slice(2)];
  return runInForeground(node, args, { env: setup.productEnvironment() });
});
export {};
