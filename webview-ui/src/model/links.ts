/** Addresses and places in files that a line of output names. */
export type OutputLink =
  | { readonly kind: 'url'; readonly start: number; readonly end: number; readonly url: string }
  | {
      readonly kind: 'file';
      readonly start: number;
      readonly end: number;
      readonly path: string;
      readonly line: number;
      readonly column: number | undefined;
    };

/** Lines beyond this hold data, not places: looking for links there costs more than it gives. */
const maxLength = 2_000;

const urlPattern = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f{}|\\^]+/gi;
const filePattern =
  /(?:file:\/\/)?((?:[A-Za-z]:[\\/]|~[\\/]|\.{1,2}[\\/]|[\\/])?(?:[\p{L}\p{N}_@.+$\-[\]]+[\\/])*[\p{L}\p{N}_@+$\-[\].]*\.[A-Za-z][A-Za-z0-9]{0,9})(?::(\d{1,7})(?::(\d{1,5}))?|\((\d{1,7})(?:,\s?(\d{1,5}))?\)|", line (\d{1,7}))/gu;

/** Without a folder in front, only these endings make a file: `example.com:443` is none. */
const knownEndings = new Set(
  (
    'astro bash c cc cfg cjs clj cpp cs css cts cxx dart erl ex exs fs go gradle groovy h hbs hpp hs html java jl js ' +
    'json jsonc jsx kt kts less lua m md mdx mjs ml mm mts nim php pl proto ps1 py pyi r rb rs rst sass scala scss sh sql ' +
    'svelte swift tf toml ts tsx txt vue xml yaml yml zig zsh'
  ).split(' '),
);

/** Brackets and full stops around an address are the sentence's, not the address's. */
function trimUrl(url: string): string {
  let result = url;
  for (;;) {
    const last = result.at(-1) ?? '';
    const opening = { ')': '(', ']': '[' }[last];
    const isLoose = opening !== undefined && result.split(last).length > result.split(opening).length;
    if (!isLoose && !'.,;:!?*'.includes(last)) return result;
    if (last === '') return result;
    result = result.slice(0, -1);
  }
}

export function findLinks(text: string): OutputLink[] {
  if (text.length > maxLength || !/[:(]/.test(text) || !/[./]/.test(text)) {
    if (!text.includes('", line ')) return [];
  }
  const links: OutputLink[] = [];
  for (const match of text.matchAll(urlPattern)) {
    const url = trimUrl(match[0]);
    if (URL.canParse(url))
      links.push({ kind: 'url', start: match.index, end: match.index + url.length, url });
  }
  for (const match of text.matchAll(filePattern)) {
    const path = match[1] ?? '';
    const start = match.index;
    const end = start + match[0].length;
    if (links.some((link) => link.kind === 'url' && link.start < end && start < link.end)) continue;
    const isPath = /[\\/]/.test(path);
    const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
    if (!isPath && !knownEndings.has(ending)) continue;
    const line = Number(match[2] ?? match[4] ?? match[6]);
    const column = match[3] ?? match[5];
    if (line < 1) continue;
    links.push({
      kind: 'file',
      start,
      end,
      path,
      line,
      column: column === undefined ? undefined : Number(column),
    });
  }
  return links.sort((a, b) => a.start - b.start);
}
