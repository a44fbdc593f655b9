import { createCode } from './codeView.ts';
import { LightElement } from './lightElement.ts';
import { createMarkdown, isMarkdownLoaded, loadMarkdown } from './markdownView.ts';

/** What a model has written, as Markdown; drawn by hand, so that nothing foreign passes through a template. */
export class MarkdownElement extends LightElement {
  static override properties = { text: { attribute: false } };
  declare text: string;
  private drawn = '';

  constructor() {
    super();
    this.text = '';
  }

  protected override updated(): void {
    const key = `${isMarkdownLoaded()} ${this.text}`;
    if (key === this.drawn) return;
    this.drawn = key;
    this.replaceChildren(createMarkdown(this.text));
    if (!isMarkdownLoaded()) void loadMarkdown().then(() => this.requestUpdate());
  }
}

/** Code or output of a tool. */
export class CodeElement extends LightElement {
  static override properties = { text: { attribute: false }, language: { attribute: false } };
  declare text: string;
  declare language: string;

  constructor() {
    super();
    this.text = '';
    this.language = '';
  }

  protected override updated(): void {
    this.replaceChildren(createCode(this.text, this.language));
  }
}
