const maxRows = 8;

/** Makes a field as high as its text, up to a few lines; from then on it scrolls. */
export function growField(field: HTMLTextAreaElement): void {
  field.style.height = 'auto';
  const style = getComputedStyle(field);
  const lineHeight = Number.parseFloat(style.lineHeight) || 18;
  const frame = field.offsetHeight - field.clientHeight;
  const padding = Number.parseFloat(style.paddingTop) + Number.parseFloat(style.paddingBottom);
  const height = Math.min(field.scrollHeight, maxRows * lineHeight + padding) + frame;
  field.style.height = `${height}px`;
  field.style.overflowY = field.scrollHeight + frame > height + 1 ? 'auto' : 'hidden';
}
