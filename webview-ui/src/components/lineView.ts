import type { Line } from '../model/line.ts';
import { findLinks } from '../model/links.ts';
import type { OutputLink } from '../model/links.ts';
import { segmentsOf } from '../model/segments.ts';
import type { LineMatch, Segment } from '../model/segments.ts';
import { Flag } from '../model/style.ts';
import type { Style } from '../model/style.ts';
import { palette } from '../palette.ts';

const linkOf = new WeakMap<Element, OutputLink>();

/** The link that an event was on, if any. */
export function linkAt(event: Event): OutputLink | undefined {
  return event.target instanceof Element
    ? linkOf.get(event.target.closest('.link') ?? event.target)
    : undefined;
}

/** Builds the element of one line. Everything becomes text nodes: output is never markup. */
export function createLine(line: Line, matches: readonly LineMatch[]): HTMLElement {
  const element = document.createElement('div');
  element.className = 'line';
  const links = findLinks(line.text);
  if (line.runs.length === 0 && links.length === 0 && matches.length === 0) {
    element.textContent = line.text;
    return element;
  }
  let link: OutputLink | undefined;
  let parent: HTMLElement = element;
  for (const segment of segmentsOf(line, links, matches)) {
    if (segment.link !== link) {
      link = segment.link;
      parent = element;
      if (link !== undefined) element.append((parent = createLink(link)));
    }
    parent.append(createSegment(segment));
  }
  return element;
}

/** Not an `a` with an address: the editor opens it, after the host has looked at it. */
function createLink(link: OutputLink): HTMLElement {
  const element = document.createElement('span');
  element.className = 'link';
  element.setAttribute('role', 'link');
  element.tabIndex = 0;
  element.title = link.kind === 'url' ? 'Open link' : 'Open in editor';
  linkOf.set(element, link);
  return element;
}

function createSegment({ text, style, match }: Segment): Node {
  const { color, background } = palette.colors(style);
  const classes = styleClasses(style);
  if (match !== 'none') classes.push('match');
  if (match === 'current') classes.push('current');
  if (classes.length === 0 && color === undefined && background === undefined)
    return document.createTextNode(text);
  const element = document.createElement('span');
  element.className = classes.join(' ');
  element.textContent = text;
  // Set by script, which the page's policy allows; style attributes in markup it does not.
  if (color !== undefined) element.style.color = color;
  if (background !== undefined && match === 'none') element.style.backgroundColor = background;
  return element;
}

function styleClasses({ flags }: Style): string[] {
  const classes: string[] = [];
  if (flags & Flag.bold) classes.push('bold');
  if (flags & Flag.italic) classes.push('italic');
  if (flags & Flag.hidden) classes.push('hidden-text');
  if (flags & Flag.underline) classes.push('underline');
  if (flags & Flag.strike) classes.push('strike');
  return classes;
}
