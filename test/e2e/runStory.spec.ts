import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifact } from '../harness/paths.ts';
import { closePreview, openPreview, Panel, seriousFindings } from './panelPreview/panel.ts';
import { snapshot } from './panelPreview/scenarios.ts';
import {
  eventsOf,
  hostileText,
  nightly,
  storyMessage,
  storyRun,
  storyScenarios,
} from './panelPreview/stories.ts';
import type { ThemeName } from './panelPreview/themes.ts';

/** What models and coding agents tell, in the built panel under the policy of the real page. */

beforeAll(openPreview);
afterAll(closePreview);

describe('how a story looks', () => {
  const sizes: [scenario: string, themes: ThemeName[], width: number, height: number][] = [
    ['story', ['dark', 'light', 'hc-dark', 'hc-light'], 900, 900],
    ['story', ['light'], 280, 700],
    ['storyDone', ['dark', 'light'], 1_300, 900],
    ['storyHostile', ['dark'], 900, 900],
  ];
  for (const [name, themeNames, width, height] of sizes) {
    for (const theme of themeNames) {
      it(`${name}, ${theme}, ${width} px wide`, async () => {
        await using panel = await Panel.open(theme, width, height);
        await panel.send(...(storyScenarios[name]?.(Date.now()) ?? []));
        await panel.page.locator('.entry-tool').first().waitFor();
        await panel.page.screenshot({ path: artifact(`screenshots/panel-${name}-${theme}-${width}.png`) });
        expect(await seriousFindings(panel.page)).toEqual([]);
        expect(await panel.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
      });
    }
  }
});

describe('how a story behaves', () => {
  it('draws the same, event by event as it comes and all at once as it is replayed', async () => {
    const now = Date.now();
    const events = eventsOf(now - 100_000, nightly);
    const drawn: string[] = [];
    for (const portions of [events.map((event) => [event]), [events]]) {
      await using panel = await Panel.open('dark', 900, 2_400);
      await panel.send(snapshot(now, storyRun(now)));
      for (const [index, portion] of portions.entries())
        await panel.send(storyMessage(portion, { isReset: index === 0, from: 1 }));
      await panel.page.locator('.md-heading').first().waitFor();
      drawn.push(
        await panel.page.locator('.story').evaluate((story) => story.innerHTML.replace(/<!--.*?-->/g, '')),
      );
    }
    expect(drawn[0]).toBe(drawn[1]);
    expect(drawn[0]).toContain('What was wrong');
  });

  it('opens a call to its arguments and result, and the change to a file as a diff', async () => {
    await using panel = await Panel.open('dark', 900, 900);
    const { page } = panel;
    await panel.send(...(storyScenarios['storyDone']?.(Date.now()) ?? []));
    const edit = page.locator('.entry-toggle', { hasText: 'Edit' });
    await edit.click();
    await page.locator('.diff-line.is-added', { hasText: '-mtime +7 -delete' }).first().waitFor();
    await page.screenshot({ path: artifact('screenshots/panel-story-diff.png') });
    await page.getByRole('button', { name: 'Open Diff' }).click();
    await panel.until((posted) => posted.some((message) => message.type === 'openDiff'));
    await page.getByRole('button', { name: 'Connect' }).first().click();
    expect(await panel.posted()).toContainEqual({ type: 'connect', provider: 'gmail' });
    await page.locator('.md-link', { hasText: 'the manual' }).click();
    expect(await panel.posted()).toContainEqual({ type: 'openLink', url: 'https://example.org/manual' });
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('entry-toggle');
    expect(await seriousFindings(page)).toEqual([]);
  });

  it('shows hostile text as text wherever it stands: no element, no request, no script, nothing hidden', async () => {
    await using panel = await Panel.open('dark', 900, 4_000);
    const { page } = panel;
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await panel.send(...(storyScenarios['storyHostile']?.(Date.now()) ?? []));
    const toggles = page.locator('.entry-toggle');
    for (let index = 0; index < (await toggles.count()); index += 1) {
      const toggle = toggles.nth(index);
      if ((await toggle.getAttribute('aria-expanded')) === 'false') await toggle.press('Enter');
    }
    await page.getByText('U+202E').first().waitFor();
    await page.screenshot({ path: artifact('screenshots/panel-story-hostile.png') });
    expect(
      await page.locator('.story :is(img, script, style, iframe, a, b, i, [style*="fixed"])').count(),
    ).toBe(0);
    expect(await page.evaluate(() => (globalThis as { hurt?: number }).hurt)).toBeUndefined();
    const text = (await page.locator('.story').textContent()) ?? '';
    expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b\u0000\u001b]/);
    expect(text).toContain('⟨U+202E⟩');
    // The page's own font and parser may come late; nothing else is asked for.
    const { origin } = new URL(page.url());
    expect(asked.filter((url) => new URL(url).origin !== origin)).toEqual([]);
    expect(hostileText).toContain('\u202e');
  });

  it('asks for earlier events once, keeps its place among them, and goes back to the newest', async () => {
    await using panel = await Panel.open('dark', 900, 600);
    const { page } = panel;
    const now = Date.now();
    const all = eventsOf(
      now,
      Array.from({ length: 3_000 }, (_, index) => [
        'mcp.call.skipped',
        { step: 1, server: 's', tool: `tool-${index + 1}`, call_id: String(index), reason: 'filtered' },
      ]),
    );
    await panel.send(snapshot(now, storyRun(now)), storyMessage(all.slice(2_000)));
    await page.locator('.entry-name', { hasText: 'tool-3000' }).waitFor();
    await page.locator('.story-scroller').focus();
    await page.keyboard.press('Home');
    await panel.until((posted) => posted.some(({ type }) => type === 'showFrom'));
    expect((await panel.posted()).filter(({ type }) => type === 'showFrom')).toEqual([
      { type: 'showFrom', from: 1_001 },
    ]);
    await panel.send(storyMessage(all.slice(1_000, 3_000), { total: 3_000 }));
    await expect.poll(() => panel.shows('tool-2001', '.entry-name', '.story-scroller')).toBe(true);
    expect((await panel.posted()).filter(({ type }) => type === 'showFrom')).toHaveLength(1);
    await page.getByRole('button', { name: 'Show the newest' }).click();
    expect(await panel.posted()).toContainEqual({ type: 'showFrom', from: null });
    await panel.send(storyMessage(all.slice(2_000)));
    await expect.poll(() => panel.shows('tool-3000', '.entry-name', '.story-scroller')).toBe(true);
  });

  it('says within a second that the host has gone, and takes up again by itself', async () => {
    await using panel = await Panel.open();
    const { page } = panel;
    await panel.send(...(storyScenarios['story']?.(Date.now()) ?? []));
    await page.evaluate(() => ((globalThis as { isSilent?: boolean }).isSilent = true));
    const since = Date.now();
    await page.locator('.banner', { hasText: 'Disconnected' }).waitFor({ timeout: 3_000 });
    expect(Date.now() - since).toBeLessThan(1_500);
    await panel.until((posted) => posted.filter(({ type }) => type === 'ready').length > 1);
    await page.evaluate(() => ((globalThis as { isSilent?: boolean }).isSilent = false));
    await page.locator('.banner').waitFor({ state: 'detached', timeout: 3_000 });
  });
});
