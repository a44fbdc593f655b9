import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { correctAuthority } from './headerBlock.ts';
import { decodeHuffman } from './huffman.ts';

/** Of all characters from space to tilde, as golang.org/x/net/http2/hpack encodes them. */
const printableCoded =
  '53f8fe7febff2afc7fafebfbf9ff7f4b2ec002265a6dc75e7ee7dfffc83feffcffd4376f5fc187163c997367d1a756bd9b776fe1c797' +
  'e73fdffdffff0ffe7ff917ffd1c6490b2cd39ba75a29a8f5f6b109b7bf8f3ebdfffeff9ffefff7';
const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 0x20 + i));

const raw = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]);
const coded = (hex: string): Buffer =>
  Buffer.concat([Buffer.of(0x80 | (hex.length / 2)), Buffer.from(hex, 'hex')]);
const bytes = (...parts: (number | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));

/** `:method: POST`, `:scheme: http`, `:path: /`, and behind it `te: trailers`, entered. */
const before = bytes(0x83, 0x86, 0x84);
const after = bytes(0x40, raw('te'), raw('trailers'));

const path = '/tmp/x.sock';
const corrected = '_tmp_x.sock';
/** `/tmp/x.sock`. */
const pathCoded = '6134d6c795d07275';

describe('decodeHuffman', () => {
  it("decodes RFC 7541's examples, and what another encoder made of every character", () => {
    expect(decodeHuffman(Buffer.from('f1e3c2e5f23a6ba0ab90f4ff', 'hex'))?.toString()).toBe('www.example.com');
    expect(decodeHuffman(Buffer.from(printableCoded, 'hex'))?.toString()).toBe(printable);
    expect(decodeHuffman(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  });

  it.each([
    ['the code that ends', 'ffffffff'],
    ['a byte of filling', 'f1e3c2e5f23a6ba0ab90f4ffff'],
    ['a filling of zeros', 'f1e3c2e5f23a6ba0ab90f400'],
  ])('refuses %s', (_name, hex) => {
    expect(decodeHuffman(Buffer.from(hex, 'hex'))).toBeUndefined();
  });
});

describe('correctAuthority', () => {
  it.each([
    ['a path, entered', bytes(0x41, raw(path)), bytes(0x41, raw(corrected))],
    ['a path, Huffman coded', bytes(0x41, coded(pathCoded)), bytes(0x41, raw(corrected))],
    ['a path, not entered', bytes(0x01, raw(path)), bytes(0x01, raw(corrected))],
    ['a path, never to be entered', bytes(0x11, raw(path)), bytes(0x11, raw(corrected))],
    [
      'a path under the name in full',
      bytes(0x40, raw(':authority'), raw(path)),
      bytes(0x40, raw(':authority'), raw(corrected)),
    ],
    ['nothing, by index', bytes(0x81), bytes(0x01, raw('localhost'))],
    ['nothing, not entered', bytes(0x01, 0), bytes(0x01, raw('localhost'))],
    ['nothing, never to be entered', bytes(0x11, 0), bytes(0x01, raw('localhost'))],
    ['nothing, entered: another entry of the same size', bytes(0x41, 0), bytes(0x66, raw('socket'))],
    [
      'nothing, entered under the name in full',
      bytes(0x40, raw(':authority'), 0),
      bytes(0x66, raw('socket')),
    ],
    [
      'every character',
      bytes(0x41, coded(printableCoded)),
      bytes(
        0x41,
        raw(
          "_!__$%&'()*+,-._0123456789:;_=___ABCDEFGHIJKLMNOPQRSTUVWXYZ[_]___abcdefghijklmnopqrstuvwxyz___~",
        ),
      ),
    ],
    [
      'more than one byte can count',
      bytes(0x41, 0x7f, 0xd1, 0x0e, Buffer.alloc(2_000, '/')),
      bytes(0x41, 0x7f, 0xd1, 0x0e, Buffer.alloc(2_000, '_')),
    ],
    ['bytes that are no ASCII', bytes(0x41, raw('caf\xc3\xa9')), bytes(0x41, raw('caf__'))],
  ])('corrects %s', (_name, field, wanted) => {
    expect(correctAuthority(bytes(before, field, after))).toEqual(bytes(before, wanted, after));
    expect(correctAuthority(bytes(0x3f, 0xe1, 0x1f, field))).toEqual(bytes(0x3f, 0xe1, 0x1f, wanted));
    expect(correctAuthority(bytes(wanted, after))).toBeUndefined();
  });

  it.each([
    ['no field', bytes()],
    ['a host', bytes(before, 0x41, raw('localhost:80'), after)],
    ['a percent-encoded path', bytes(before, 0x41, raw('%2Ftmp%2Fx.sock'))],
    ['a reference to an entry', bytes(before, 0xbe, 0xbf)],
    ['an authority within a value', bytes(before, 0x44, raw('\x41\x02//\x81'))],
    ['an empty value of another name', bytes(before, 0x44, 0)],
    ['a value that ends too soon', bytes(before, 0x81, 0x41, 9, Buffer.from('/'))],
    ['an integer without an end', bytes(before, 0x81, 0x7f, Buffer.alloc(9, 0xff))],
    ['a value that is no Huffman code', bytes(before, 0x81, 0x41, coded('ffffffff'))],
  ])('leaves a block with %s', (_name, block) => {
    expect(correctAuthority(block)).toBeUndefined();
  });

  it('corrects once, and never fails', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, isAfterRequest) => {
        const block = bytes(isAfterRequest ? before : Buffer.alloc(0), Buffer.from(noise));
        const once = correctAuthority(block);
        if (once !== undefined) expect(correctAuthority(once)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });
});
