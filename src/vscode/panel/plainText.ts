/**
 * A terminal's output as text to be read: control sequences are dropped, a line that was drawn over and over (a
 * progress bar) is as it was drawn last, backspaces take back. No screen is emulated: what moved the cursor about
 * comes in the order in which it was written.
 */
export function plainText(output: string): string {
  return output.replace(controlSequences, '').replace(/\r+\n/g, '\n').split('\n').map(lastDrawing).join('\n');
}

/** OSC, DCS and the other strings with their terminators; CSI; two-character and charset escapes; 8-bit forms. */
const controlSequences =
  /[\u001b][\]PX^_][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]+[0-~]|\u001b[0-~]/g;

function lastDrawing(line: string): string {
  const parts = line.split('\r').filter((part) => part !== '');
  let drawn = '';
  // A shorter drawing leaves the end of the longer one before it, as on a screen.
  for (const part of parts) drawn = part + drawn.slice(part.length);
  return takeBack(drawn).replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
}

function takeBack(line: string): string {
  if (!line.includes('\b')) return line;
  const characters: string[] = [];
  for (const character of line) {
    if (character === '\b') characters.pop();
    else characters.push(character);
  }
  return characters.join('');
}
