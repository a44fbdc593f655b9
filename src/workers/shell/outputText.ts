/** How many characters of a step's output its result carries. The whole of it is in the terminal's record. */
export const outputTailLength = 2_000;
/** How many bytes of the record are read for it: enough for text that is mostly colour. */
export const outputTailBytes = 16_384;

/**
 * The end of a step's output as text: no control sequences, lines ended by `\n`, at most `outputTailLength` UTF-16
 * units. `isCut` tells that `bytes` do not begin where the output does, so a broken first character is dropped.
 */
export function outputTail(bytes: Uint8Array, isCut: boolean): string {
  const decoded = new TextDecoder().decode(isCut ? withoutBrokenStart(bytes) : bytes);
  const text = withoutControlSequences(decoded).replaceAll('\r\n', '\n');
  const tail = text.slice(-outputTailLength);
  return isLowSurrogate(tail.charCodeAt(0)) ? tail.slice(1) : tail;
}

// CSI; OSC, DCS, APC, PM and SOS strings; other escapes; then what is left of C0 without tab, LF and CR.
const controlSequences =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

function withoutControlSequences(text: string): string {
  return text.replace(controlSequences, '');
}

function withoutBrokenStart(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return bytes.subarray(start);
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
