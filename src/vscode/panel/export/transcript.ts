import type { Run } from '../../../core/runs/run.ts';
import type { Story, StoryEntry } from '../../../protocol/story/story.ts';
import { formatDuration } from '../../views/format.ts';
import { runStatusWord } from '../../views/describe.ts';

/** A run as it can be read without the panel: what is foreign in it stands in `text` and nowhere else. */
export interface Transcript {
  readonly title: string;
  readonly task: string;
  /** Name and value. */
  readonly facts: readonly (readonly [string, string])[];
  readonly parts: readonly TranscriptPart[];
}

export interface TranscriptPart {
  readonly heading: string;
  /** `prose` is Markdown that a model wrote; `code` is shown as it is. */
  readonly blocks: readonly {
    readonly kind: 'prose' | 'code';
    readonly label: string;
    readonly text: string;
  }[];
}

type Block = TranscriptPart['blocks'][number];

/** What a step printed, as plain text, by step. */
export type StepTexts = ReadonlyMap<number, string>;

export function transcriptOf(run: Run, story: Story, stepTexts: StepTexts): Transcript {
  const { request, status, usage, startedAt, endedAt, error } = run;
  const facts: [string, string][] = [
    ['Status', runStatusWord[status]],
    ['Engine', request.engine ?? 'shell'],
    ['Started', new Date(startedAt ?? run.createdAt).toISOString()],
  ];
  if (startedAt !== undefined && endedAt !== undefined)
    facts.push(['Duration', formatDuration(endedAt - startedAt)]);
  if (usage !== undefined) {
    facts.push(['Tokens', `${usage.inputTokens} in, ${usage.outputTokens} out`]);
    if (usage.costUsd > 0) facts.push(['Cost', `${usage.costUsd.toFixed(4)} US dollars`]);
  }
  if (error !== undefined) facts.push(['Error', error.message]);
  const printed = run.steps
    .filter(({ index }) => stepTexts.has(index))
    .map(
      ({ index, command, status: stepStatus }): TranscriptPart => ({
        heading: `Step ${index}: ${stepStatus}`,
        blocks: [code('Command', command), code('Output', stepTexts.get(index) ?? '')],
      }),
    );
  const told = story.entries.flatMap((entry) => partOf(entry) ?? []);
  const title = request.task.split('\n').find((line) => line.trim() !== '') ?? run.id;
  return { title: title.trim().slice(0, 120), task: request.task, facts, parts: [...printed, ...told] };
}

function partOf(entry: StoryEntry): TranscriptPart | undefined {
  switch (entry.kind) {
    case 'step':
      return { heading: `Step ${entry.step}`, blocks: entry.title === '' ? [] : [prose('', entry.title)] };
    case 'text':
      return {
        heading: entry.state === 'void' ? 'Answer (discarded)' : 'Answer',
        blocks: [prose('', entry.text)],
      };
    case 'reasoning':
      return { heading: 'Reasoning', blocks: [prose('', entry.text)] };
    case 'tool':
      return {
        heading: `Tool ${entry.server} ${entry.tool}: ${entry.reason ?? entry.status}`,
        blocks: [code('Arguments', entry.input), code('Result', entry.output)].filter(hasText),
      };
    case 'code':
      return {
        heading: `Code (${entry.language}): ${entry.status}`,
        blocks: [code('Code', entry.code), code('Output', entry.output), code('Error', entry.error)].filter(
          hasText,
        ),
      };
    case 'tools':
      return {
        heading: `Tools: ${entry.mode}`,
        blocks: [
          code('', entry.effective.map(({ name, provider }) => `${provider} ${name}`).join('\n')),
        ].filter(hasText),
      };
    case 'printed':
      return { heading: 'Output', blocks: [code('', entry.text)] };
    case 'foreign':
      return { heading: `Event ${entry.name}`, blocks: [code('', entry.payload)].filter(hasText) };
    case 'note':
      return { heading: 'Note', blocks: [code('', entry.text)] };
    case 'summary':
      return undefined;
  }
}

const prose = (label: string, text: string): Block => ({ kind: 'prose', label, text });
const code = (label: string, text: string): Block => ({ kind: 'code', label, text });
const hasText = ({ text }: Block): boolean => text !== '';

/** Markdown in which nothing foreign can end its block: fences are longer than any in them. */
export function transcriptMarkdown({ title, task, facts, parts }: Transcript): string {
  const lines = [`# ${oneLine(title)}`, '', fenced(task), ''];
  for (const [name, value] of facts) lines.push(`- ${name}: ${oneLine(value)}`);
  for (const { heading, blocks } of parts) {
    lines.push('', `## ${oneLine(heading)}`);
    for (const { kind, label, text } of blocks) {
      lines.push('');
      if (label !== '') lines.push(`${label}:`, '');
      lines.push(kind === 'code' ? fenced(text) : quoted(text));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** No markup, no line end: what is foreign shows as it is. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]<>#|!&]/g, '\\$&');
}

function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text.replace(/\n$/, '')}\n${fence}`;
}

/** What a model wrote as Markdown stays readable as such, inside a quotation. */
function quoted(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) => `> ${line}`)
    .join('\n');
}

/** One file without scripts or anything to load: every text is escaped. */
export function transcriptHtml({ title, task, facts, parts }: Transcript): string {
  const rows = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd dir="auto">${escaped(value)}</dd>`);
  const sections = parts.map(({ heading, blocks }) => {
    const shown = blocks.map(({ kind, label, text }) => {
      const name = label === '' ? '' : `<p class="label">${escaped(label)}</p>`;
      return `${name}<pre class="${kind}" dir="auto">${escaped(text)}</pre>`;
    });
    return `<section><h2 dir="auto">${escaped(heading)}</h2>${shown.join('')}</section>`;
  });
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
pre.code { padding: .5rem .75rem; border: 1px solid; border-color: color-mix(in srgb, currentColor 20%, transparent); border-radius: 4px; font-size: 13px; }
pre.prose { font: inherit; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt, .label { opacity: .7; } dd, .label { margin: 0; }
</style>
</head>
<body>
<h1 dir="auto">${escaped(title)}</h1>
<pre class="code" dir="auto">${escaped(task)}</pre>
<dl>${rows.join('')}</dl>
${sections.join('\n')}
</body>
</html>
`;
}

/** Also what would turn the writing around: it shows as its number. */
function escaped(text: string): string {
  return text
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
      (sign) => `[U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
