// npm run bench [-- <name> ...]: builds for production and runs test/bench under the product's Node.
import { ensureBuild } from './lib/product.mjs';
import { exitWith, runInForeground } from './lib/run.mjs';
import { ensureDependencies, productEnvironment, productNode } from './lib/setup.mjs';

await exitWith(async () => {
  await ensureDependencies();
  await ensureBuild();
  const args = [
    '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
    'test/bench/main.ts',
    ...process.argv.slice(2),
  ];
  return runInForeground(productNode(), args, { env: productEnvironment() });
});
