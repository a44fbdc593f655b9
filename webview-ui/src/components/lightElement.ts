import { LitElement } from 'lit';

/**
 * A component without a shadow root: codicons are class names of a stylesheet of the page, and one stylesheet for the
 * whole panel keeps its themes in one place.
 */
export class LightElement extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

/** Is typing meant for a text field, not for the panel's own keys? */
export function isTextField(event: Event): boolean {
  const target = event.composedPath()[0];
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

export function isMotionReduced(): boolean {
  return (
    document.body.classList.contains('vscode-reduce-motion') ||
    matchMedia('(prefers-reduced-motion: reduce)').matches
  );
}

export const isMac = /Mac|iP(?:hone|ad)/.test(navigator.userAgent);

/** Ctrl, or Cmd on a Mac. */
export function isCommandKey(event: KeyboardEvent): boolean {
  return isMac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
}
