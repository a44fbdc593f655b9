/**
 * Foreign text as it is: control sequences of terminals are left out, and what would turn the writing around or hide
 * something shows as its number.
 */
export function visible(text: string): string {
  // Nearly all text has nothing to hide: one look tells.
  return suspicious.test(text) ? text.replace(ansi, '').replace(hidden, numberOf) : text;
}

const suspicious =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;
const ansi =
  /[\u001b][\]PX^_][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]+[0-~]|\u001b[0-~]/g;
/** A carriage return before a line end is none. */
const hidden =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\r(?!\n)/g;

function numberOf(sign: string): string {
  return `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`;
}
