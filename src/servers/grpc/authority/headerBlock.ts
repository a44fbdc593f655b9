import { decodeHuffman } from './huffman.ts';

/** What nghttp2 takes in an authority; it refuses an empty one, and the whole request with it. */
const legal = new Set(
  Buffer.from("!$%&'()*+,-.:;=[]_~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
);
const filler = 0x5f; // '_'

const authority = Buffer.from(':authority');
const authorityIndex = 1;
/** `:authority: localhost`, not entered into the dynamic table. */
const localhost = Buffer.concat([Buffer.of(authorityIndex, 9), Buffer.from('localhost')]);
/** `host: socket`, entered with the size (RFC 7541, 4.1) of an entry of `:authority` without a value. */
const hostEntry = Buffer.concat([Buffer.of(0x40 | 38, 6), Buffer.from('socket')]);

/**
 * Makes every `:authority` of a header block (RFC 7541) one that Node's HTTP/2 takes. What the block enters into the
 * dynamic table stays of the same size, so that later blocks mean what their sender thinks they mean.
 *
 * An `:authority` by a name that only the dynamic table knows is not found: encoders use the static one's.
 *
 * @returns the corrected block, or undefined where there is nothing to correct, or the block cannot be read.
 */
export function correctAuthority(block: Buffer): Buffer | undefined {
  const reader = new BlockReader(block);
  const pieces: Buffer[] = [];
  let copied = 0;
  while (!reader.atEnd) {
    const from = reader.at;
    const correction = readField(reader);
    if (reader.isBroken) return undefined;
    if (correction === undefined) continue;
    pieces.push(block.subarray(copied, from), correction);
    copied = reader.at;
  }
  return copied === 0 ? undefined : Buffer.concat([...pieces, block.subarray(copied)]);
}

/** Reads one field. @returns what should stand in its place, where something should. */
function readField(reader: BlockReader): Buffer | undefined {
  const from = reader.at;
  const first = reader.peek();
  // Indexed: as static entry 1 is an `:authority` without a value.
  if (first >= 0x80) return reader.integer(7) === authorityIndex ? localhost : undefined;
  if (first >= 0x20 && first < 0x40) {
    // A new size of the dynamic table.
    reader.integer(5);
    return undefined;
  }
  const isEntered = first >= 0x40;
  const index = reader.integer(isEntered ? 6 : 4);
  const isAuthority = index === 0 ? authority.equals(reader.string()) : index === authorityIndex;
  const valueFrom = reader.at;
  const value = reader.string();
  if (!isAuthority || (value.length > 0 && value.every((octet) => legal.has(octet)))) return undefined;
  if (value.length === 0) return isEntered ? hostEntry : localhost;
  const octets = value.map((octet) => (legal.has(octet) ? octet : filler));
  return Buffer.concat([reader.slice(from, valueFrom), lengthOf(octets), octets]);
}

/** As an integer with a prefix of seven bits, the eighth saying that the string is not Huffman coded. */
function lengthOf({ length }: Uint8Array): Buffer {
  if (length < 0x7f) return Buffer.of(length);
  const bytes = [0x7f];
  let rest = length - 0x7f;
  for (; rest >= 0x80; rest >>>= 7) bytes.push(0x80 | (rest & 0x7f));
  return Buffer.of(...bytes, rest);
}

const nothing: Buffer = Buffer.alloc(0);

/** The primitives of HPACK (RFC 7541, 5). What cannot be read breaks it, and reads as nothing from then on. */
class BlockReader {
  at = 0;
  isBroken = false;
  private readonly block: Buffer;

  constructor(block: Buffer) {
    this.block = block;
  }

  get atEnd(): boolean {
    return this.isBroken || this.at >= this.block.length;
  }

  peek(): number {
    return this.block[this.at] ?? this.broken(0);
  }

  slice(from: number, to: number): Buffer {
    return this.block.subarray(from, to);
  }

  integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.next() & most;
    if (value < most) return value;
    // Four more bytes hold more than any block has; a longer one is a peer's bad joke.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.next();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return this.broken(0);
  }

  string(): Buffer {
    const isCoded = this.peek() >= 0x80;
    const length = this.integer(7);
    if (this.isBroken || this.block.length - this.at < length) return this.broken(nothing);
    const bytes = this.block.subarray(this.at, this.at + length);
    this.at += length;
    if (!isCoded) return bytes;
    return decodeHuffman(bytes) ?? this.broken(nothing);
  }

  private next(): number {
    const byte = this.peek();
    this.at += 1;
    return byte;
  }

  private broken<T>(instead: T): T {
    this.isBroken = true;
    return instead;
  }
}
