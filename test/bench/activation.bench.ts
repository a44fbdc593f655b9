import { Studio } from '../e2e/studio.ts';
import { percentile, report } from './race.ts';

const coldStarts = 10;

/** What VS Code itself measured of our activation, over cold starts of the whole editor with the packaged VSIX. */
export async function benchActivation(): Promise<void> {
  const load: number[] = [];
  const activate: number[] = [];
  for (let round = 0; round < coldStarts; round++) {
    await using studio = await Studio.open({ name: 'bench-activation' });
    const times = await activationTimes(studio);
    load.push(times.loadMs);
    activate.push(times.activateMs);
  }
  for (const samples of [load, activate]) samples.sort((a, b) => a - b);
  report(`activation: ${coldStarts} cold starts of the real VS Code (ms)`, {
    'code load, median (target 40)': percentile(load, 0.5),
    'code load, max': load.at(-1) ?? Number.NaN,
    'activate(), median (target 20)': percentile(activate, 0.5),
    'activate(), max': activate.at(-1) ?? Number.NaN,
  });
}

/** Of the table in "Developer: Startup Performance": extension, eager, load code, call activate, finish, event, by. */
export async function activationTimes(studio: Studio): Promise<{ loadMs: number; activateMs: number }> {
  const { page, workbench } = studio;
  await workbench.runCommand('Developer: Startup Performance');
  const editor = page.locator('.editor-instance .monaco-editor').last();
  await editor.waitFor();
  await editor.locator('.view-line').first().click();
  const deadlineMs = Date.now() + 30_000;
  for (;;) {
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Control+C');
    const text = await page.evaluate(() => navigator.clipboard.readText());
    const row = text
      .split('\n')
      .find((line) => line.includes('orchestration-workbench') && line.includes('|'));
    const cells = row?.split('|').map((cell) => cell.trim());
    const numbers = cells?.filter((cell) => /^\d+$/.test(cell)).map(Number);
    if (numbers !== undefined && numbers.length >= 2) {
      return { loadMs: numbers[0] ?? Number.NaN, activateMs: numbers[1] ?? Number.NaN };
    }
    if (Date.now() > deadlineMs) throw new Error('The startup report does not name the extension.');
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
