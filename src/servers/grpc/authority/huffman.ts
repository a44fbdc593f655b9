/**
 * Bits of each octet's code (RFC 7541, appendix B). The code is canonical: those of one length are in the order of
 * their octets, each one more than the last, so that the lengths say all.
 */
const codeLengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
const longest = 30;

interface Codes {
  /** Of the codes of one length. */
  readonly first: number;
  readonly octets: readonly number[];
}

/** By length. */
const codes = codesByLength();

function codesByLength(): Codes[] {
  const byLength: Codes[] = [];
  let next = 0;
  for (let length = 0; length <= longest; length += 1) {
    const octets = codeLengths.flatMap((bits, octet) => (bits === length ? [octet] : []));
    byLength.push({ first: next, octets });
    next = (next + octets.length) * 2;
  }
  return byLength;
}

/** @returns the octets of a coded string, or undefined where it is none. */
export function decodeHuffman(coded: Uint8Array): Buffer | undefined {
  const decoded: number[] = [];
  let code = 0;
  let bits = 0;
  for (const byte of coded) {
    for (let shift = 7; shift >= 0; shift -= 1) {
      code = code * 2 + ((byte >> shift) & 1);
      bits += 1;
      const row = codes[bits];
      if (row === undefined) return undefined;
      const octet = row.octets[code - row.first];
      if (octet === undefined) continue;
      decoded.push(octet);
      code = 0;
      bits = 0;
    }
  }
  // What fills the last byte are the first bits of the code that ends nothing: ones.
  return bits < 8 && code === 2 ** bits - 1 ? Buffer.from(decoded) : undefined;
}
