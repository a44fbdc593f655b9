/** Where in the output of a failed step the trouble starts. */

const strong =
  /\b(?:error|fatal|panic(?:ked)?|exception|traceback|FAIL(?:ED)?|unhandled|segmentation fault|command not found|no such file|permission denied|cannot find|not ok)\b|(?:^|\s)[✗✘×✖]\s/i;
/** "0 errors", "no failures" and file names such as `error.ts` are not what one looks for. */
const harmless =
  /\b(?:0|no|without)\s+(?:errors?|failures?|failed|exceptions?)\b|\berrors?\s*[:=]\s*0\b|\bfailed\s*[:=]\s*0\b|[\w-]*error[\w-]*\.\w{1,5}\b(?!:\d)/gi;

export interface LineSource {
  readonly firstLine: number;
  readonly endLine: number;
  line(number: number): { readonly text: string } | undefined;
}

/** The number of the first line that tells of an error, or undefined when none does. */
export function firstErrorLine(lines: LineSource): number | undefined {
  for (let number = lines.firstLine; number < lines.endLine; number++) {
    const text = lines.line(number)?.text ?? '';
    if (text.length > 4_000 || !strong.test(text)) continue;
    if (strong.test(text.replace(harmless, ''))) return number;
  }
  return undefined;
}
