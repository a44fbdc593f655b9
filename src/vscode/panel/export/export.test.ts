import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Run } from '../../../core/runs/run.ts';
import { foldStory } from '../../../protocol/story/foldStory.ts';
import { emptyStory } from '../../../protocol/story/story.ts';
import { curlCommand } from './curl.ts';
import { transcriptHtml, transcriptMarkdown, transcriptOf } from './transcript.ts';

const hostile = '</pre><script>alert(1)</script>\n```\n# not a heading\n"&\' \u202egnp';
const run: Run = {
  id: 'r1',
  sessionId: 's1',
  request: { task: `do ${hostile}`, engine: 'model', timeoutMs: 90_000 },
  status: 'succeeded',
  steps: [],
  createdAt: 1,
  startedAt: 1_000,
  endedAt: 3_000,
  isAborting: false,
  terminalIds: [],
  usage: { inputTokens: 10, outputTokens: 5, costUsd: 0.5 },
};
const story = foldStory(emptyStory, [
  {
    ordinal: 1,
    sequence: 1,
    time: 1,
    type: 'worker.generator.output.delta',
    data: { step: 1, text: hostile },
  },
  {
    ordinal: 2,
    sequence: 2,
    time: 2,
    type: 'mcp.call.started',
    data: { step: 1, server: hostile, tool: hostile, call_id: '1', arguments: hostile },
  },
]);

describe('a run that is taken away', () => {
  it('is one HTML file with no script, nothing to load, and every foreign sign escaped', () => {
    const html = transcriptHtml(transcriptOf(run, story, new Map([[1, hostile]])));
    expect(html).not.toContain('<script');
    expect(html).not.toContain('\u202e');
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/(?:src|href)=/);
    expect(html).toContain('[U+202E]gnp');
    expect(html.match(/<pre/g)?.length).toBe(html.match(/<\/pre>/g)?.length);
  });

  it('is Markdown that nothing foreign can break out of', () => {
    const text = transcriptMarkdown(transcriptOf(run, story, new Map()));
    expect(text).toContain('- Cost: 0.5000 US dollars');
    const headings = text.split('\n').filter((line) => line.startsWith('# ') || line.startsWith('## '));
    // The task stands in a fence that its own cannot end.
    expect(text).toContain('````\ndo </pre>');
    expect(headings.filter((line) => !line.includes('not a heading'))).toHaveLength(2);
  });

  it('is a line of curl that a shell hands over word by word, with the token named and never written', () => {
    const line = curlCommand(
      { ...run.request, task: `it's "$HOME" \`id\` ${hostile}` },
      'http://127.0.0.1:1',
    );
    expect(line).toContain('"Authorization: Bearer $ORCHESTRATOR_TOKEN"');
    const printed = execFileSync('sh', ['-c', line.replace('curl ', `printf '%s\\0' `)], {
      env: { ORCHESTRATOR_TOKEN: 'secret' },
      encoding: 'utf8',
    }).split('\0');
    expect(printed).toContain('http://127.0.0.1:1/orchestrate/stream');
    expect(JSON.parse(printed.at(-2) ?? '')).toEqual({
      task: `it's "$HOME" \`id\` ${hostile}`,
      worker: { engine_params: { engine_type: 'model' } },
      timeout_ms: 90_000,
    });
  });
});
