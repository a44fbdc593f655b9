import type { Token, Tokens } from 'marked';
import { visible } from '../model/visible.ts';
import { createCode } from './codeView.ts';

/**
 * Markdown of a model as elements. They are built from the parser's tokens, never from HTML: markup in it stays text,
 * nothing is loaded, and a link is a button-like text that the host is asked to open.
 */

/** More than this is shown as plain text: a parser must not hold up a frame. In characters. */
const markdownLimit = 24_576;
/** So many signs that may begin markup; honest text has a tenth of it. */
const markupLimit = 3_000;
const deepest = 16;

type Lexer = (text: string) => Token[];
let lexer: Lexer | undefined;
let loading: Promise<void> | undefined;

/** Loads the parser with the first text that needs it. */
export function loadMarkdown(): Promise<void> {
  loading ??= import('marked').then(({ lexer: loaded }) => {
    lexer = (text) => loaded(text);
  });
  return loading;
}

export const isMarkdownLoaded = (): boolean => lexer !== undefined;

export function createMarkdown(text: string): Node {
  const fragment = document.createDocumentFragment();
  const tokens = tokensOf(text);
  if (tokens === undefined) {
    fragment.append(plain(text));
    return fragment;
  }
  for (const token of tokens) appendBlock(fragment, token, 0);
  return fragment;
}

function tokensOf(text: string): Token[] | undefined {
  if (lexer === undefined || text.length > markdownLimit) return undefined;
  // A parser can be led astray by signs that open and never close.
  if ((text.match(/[*_[`>~]/g)?.length ?? 0) > markupLimit) return undefined;
  try {
    return lexer(text);
  } catch {
    return undefined;
  }
}

function plain(text: string): HTMLElement {
  const element = create('p', 'plain-text');
  element.textContent = visible(text);
  return element;
}

function create<K extends keyof HTMLElementTagNameMap>(tag: K, className = ''): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  // Each part has its own direction of writing.
  element.dir = 'auto';
  return element;
}

function appendBlock(parent: Node, token: Token, depth: number): void {
  if (depth > deepest) {
    parent.appendChild(plain(token.raw));
    return;
  }
  const marked = token as Tokens.Generic;
  switch (token.type) {
    case 'space':
    case 'def':
      return;
    case 'heading': {
      // Below the headings of the panel.
      const element = create('div', `md-heading md-heading-${Number(marked['depth'])}`);
      element.setAttribute('role', 'heading');
      element.setAttribute('aria-level', String(Math.min(6, Number(marked['depth']) + 2)));
      appendInline(element, marked.tokens ?? [], depth);
      parent.appendChild(element);
      return;
    }
    case 'code':
      parent.appendChild(createCode(String(marked['text']), String(marked['lang'] ?? '')));
      return;
    case 'blockquote': {
      const element = create('blockquote');
      for (const child of marked.tokens ?? []) appendBlock(element, child, depth + 1);
      parent.appendChild(element);
      return;
    }
    case 'list':
      parent.appendChild(createList(token as Tokens.List, depth));
      return;
    case 'table':
      parent.appendChild(createTable(token as Tokens.Table, depth));
      return;
    case 'hr':
      parent.appendChild(create('hr'));
      return;
    case 'paragraph':
    case 'text': {
      const element = create('p');
      if (marked.tokens === undefined) element.textContent = readable(String(marked['text']));
      else appendInline(element, marked.tokens, depth);
      parent.appendChild(element);
      return;
    }
    case 'checkbox':
      parent.appendChild(checkbox(marked));
      return;
    default:
      parent.appendChild(plain(token.raw));
  }
}

function createList(list: Tokens.List, depth: number): HTMLElement {
  const element = create(list.ordered ? 'ol' : 'ul', 'md-list');
  if (list.ordered && typeof list.start === 'number') element.setAttribute('start', String(list.start));
  for (const item of list.items) {
    const row = create('li');
    for (const child of item.tokens) {
      // A short item is a line, not a paragraph.
      if (child.type === 'text' && !item.loose)
        appendInline(row, (child as Tokens.Text).tokens ?? [child], depth);
      else appendBlock(row, child, depth + 1);
    }
    element.append(row);
  }
  return element;
}

function createTable(table: Tokens.Table, depth: number): HTMLElement {
  const frame = create('div', 'md-table');
  const element = create('table');
  const addRow = (cells: readonly Tokens.TableCell[], tag: 'th' | 'td'): void => {
    const row = create('tr');
    for (const cell of cells) {
      const box = create(tag);
      appendInline(box, cell.tokens, depth);
      row.append(box);
    }
    element.append(row);
  };
  addRow(table.header, 'th');
  for (const row of table.rows) addRow(row, 'td');
  frame.append(element);
  return frame;
}

function appendInline(parent: Node, tokens: readonly Token[], depth: number): void {
  for (const token of tokens) {
    const marked = token as Tokens.Generic;
    const inner = (tag: 'strong' | 'em' | 's'): void => {
      const element = create(tag);
      if (depth > deepest) element.textContent = visible(token.raw);
      else appendInline(element, marked.tokens ?? [], depth + 1);
      parent.appendChild(element);
    };
    switch (token.type) {
      case 'strong':
        inner('strong');
        break;
      case 'em':
        inner('em');
        break;
      case 'del':
        inner('s');
        break;
      case 'codespan': {
        const element = create('code');
        element.textContent = visible(String(marked['text']));
        parent.appendChild(element);
        break;
      }
      case 'br':
        parent.appendChild(document.createElement('br'));
        break;
      case 'link':
        parent.appendChild(createLink(String(marked['href']), readable(String(marked['text']))));
        break;
      case 'image':
        // Nothing is loaded because a model says so: an image is a link that tells what it is.
        parent.appendChild(createLink(String(marked['href']), `image: ${readable(String(marked['text']))}`));
        break;
      case 'checkbox':
        parent.appendChild(checkbox(marked));
        break;
      case 'text':
      case 'escape':
        parent.appendChild(document.createTextNode(readable(String(marked['text']))));
        break;
      default:
        parent.appendChild(document.createTextNode(visible(token.raw)));
    }
  }
}

function checkbox(token: Tokens.Generic): Text {
  return document.createTextNode(token['checked'] === true ? '☑ ' : '☐ ');
}

/** Never an `a`: what it leads to is shown, and the host looks at it before it is opened. */
function createLink(address: string, text: string): HTMLElement {
  const element = create('span');
  if (!/^https?:\/\//i.test(address)) {
    element.textContent = `${text} (${visible(address)})`;
    return element;
  }
  element.className = 'md-link';
  element.setAttribute('role', 'link');
  element.tabIndex = 0;
  element.title = visible(address);
  element.textContent = text;
  element.dataset['url'] = address;
  return element;
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

function readable(text: string): string {
  return visible(text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? ''));
}
