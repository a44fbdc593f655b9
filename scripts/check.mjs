// npm run check: format, lint, types, manifest, protos, circles and unit tests, in two lanes for two cores.
import { cycles, format, lint, manifest, protos, runLanes, types, unit } from './lib/checks.mjs';
import { exitWith } from './lib/run.mjs';
import { ensureDependencies } from './lib/setup.mjs';

await exitWith(async () => {
  await ensureDependencies();
  const began = Date.now();
  const results = await runLanes([[lint], [format, manifest, protos, cycles, types, unit]]);
  const failed = results.filter(({ ok }) => !ok);
  console.log(
    `${results.length - failed.length} passed, ${failed.length} failed in ${((Date.now() - began) / 1000).toFixed(1)} s`,
  );
  return failed.length === 0 ? 0 : 1;
});
