import { defineConfig } from 'vitest/config';

const slow = process.env['CI'] === undefined ? 1 : 2;

// Vitest itself wants this default export.
export default defineConfig({
  test: {
    // Two cores and real child processes: more parallel files only make timing worse.
    maxWorkers: 2,
    passWithNoTests: true,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'webview-ui/**/*.test.ts', 'test/unit/**/*.test.ts'],
          testTimeout: 20_000 * slow,
          hookTimeout: 20_000 * slow,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: [
            'test/integration/**/*.test.ts',
            'test/faults/**/*.test.ts',
            'test/conformance/**/*.test.ts',
          ],
          testTimeout: 60_000 * slow,
          hookTimeout: 60_000 * slow,
        },
      },
      {
        extends: true,
        test: {
          // Installs 1 GB of other people's programs: only when asked for.
          name: 'agents',
          include: ['test/agents/**/*.test.ts'],
          testTimeout: 180_000 * slow,
          hookTimeout: 60_000 * slow,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.spec.ts'],
          // One real editor and one browser at a time.
          fileParallelism: false,
          // The editor's own start races with ours on a loaded machine; a retry is printed, and is worth a look.
          retry: 2,
          testTimeout: 180_000 * slow,
          hookTimeout: 180_000 * slow,
        },
      },
    ],
  },
});
