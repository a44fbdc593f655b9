/** What RFC 6455 says of frames, as a table: what a client sends, and what it gets. */
import { deflateRawSync } from 'node:zlib';
import { closePayload, type FrameParts, rawFrame } from '../harness/rawWebSocket.ts';

export interface WebSocketCase {
  readonly what: string;
  readonly sent: Buffer;
  /** In its order: `pong TEXT` for a control frame, `answer TYPE-OR-ERROR` for a text, `close CODE`. */
  readonly got: readonly string[];
  /** Whether permessage-deflate is agreed on first. */
  readonly isDeflating?: boolean;
}

const frames = (...parts: readonly FrameParts[]): Buffer => Buffer.concat(parts.map(rawFrame));
const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const ping = '{"type":"ping"}';
/** What every message gets that is let in and is no request. */
const letIn = 'answer Invalid message format';
const wrong = ['close 1002'];
const notText = ['close 1007'];
const none: readonly string[] = [];

/** The same text in fragments that are cut at these places. */
function cut(text: Uint8Array | string, ...places: readonly number[]): FrameParts[] {
  const all = Buffer.from(text);
  const ends = [...places, all.length];
  return ends.map((end, index) => ({
    opcode: index === 0 ? 1 : 0,
    isFinal: index === ends.length - 1,
    payload: all.subarray(ends[index - 1] ?? 0, end),
  }));
}

function row(
  what: string,
  sent: Buffer | readonly FrameParts[],
  got: readonly string[],
  isDeflating = false,
): WebSocketCase {
  return { what, sent: Buffer.isBuffer(sent) ? sent : frames(...sent), got, isDeflating };
}

const padded = (length: number): string => ping.padEnd(length);

const lengths = [
  row('an empty text', [{ payload: '' }], [letIn]),
  row('an empty binary message', [{ opcode: 2 }], [letIn]),
  ...[15, 125, 126, 127, 128, 65_535, 65_536, 131_072].map((length) =>
    row(`a text of ${length} bytes`, [{ payload: padded(length) }], ['answer pong']),
  ),
  ...[1, 125, 126, 127, 65_535, 65_536].map((length) =>
    row(`a binary message of ${length} bytes`, [{ opcode: 2, payload: Buffer.alloc(length, 0xfe) }], [letIn]),
  ),
  row('16 bits for a length of 15', [{ payload: ping, lengthBytes: 2 }], wrong),
  row('16 bits for a length of 125', [{ payload: padded(125), lengthBytes: 2 }], wrong),
  row('64 bits for a length of 15', [{ payload: ping, lengthBytes: 8 }], wrong),
  row('64 bits for a length of 126', [{ payload: padded(126), lengthBytes: 8 }], wrong),
  row('64 bits for a length of 65,535', [{ payload: padded(65_535), lengthBytes: 8 }], wrong),
  row('the highest bit of a length', [{ payload: ping, lengthBytes: 8, claimed: 1n << 63n }], wrong),
  row('a length of 2^60', [{ payload: ping, lengthBytes: 8, claimed: 1n << 60n }], wrong),
];

const masks = [
  row('a text without a mask', [{ payload: ping, mask: null }], wrong),
  row('a ping without a mask', [{ opcode: 9, payload: 'x', mask: null }], wrong),
  row('a close without a mask', [{ opcode: 8, mask: null }], wrong),
  row('a mask of zeros', [{ payload: ping, mask: [0, 0, 0, 0] }], ['answer pong']),
  row('a mask of ones', [{ payload: ping, mask: [255, 255, 255, 255] }], ['answer pong']),
  row('a mask with its high bit', [{ payload: ping, mask: [0x80, 0, 0, 1] }], ['answer pong']),
];

const opcodes = [
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => row(`opcode ${opcode}`, [{ opcode }], wrong)),
  row('opcode 3 with a payload', [{ opcode: 3, payload: ping }], wrong),
  row('opcode 11 with a payload', [{ opcode: 11, payload: ping }], wrong),
  row(
    'a message, then opcode 5',
    [{ payload: ping }, { opcode: 5 }, { payload: ping }],
    ['answer pong', ...wrong],
  ),
];

const reserved = [
  ...[1, 2, 3, 4, 5, 6, 7].map((bits) =>
    row(`reserved bits ${bits} of a text`, [{ reserved: bits, payload: ping }], wrong),
  ),
  row('a reserved bit of a binary message', [{ opcode: 2, reserved: 1 }], wrong),
  row('a reserved bit of a ping', [{ opcode: 9, reserved: 4 }], wrong),
  row('a reserved bit of a pong', [{ opcode: 10, reserved: 2 }], wrong),
  row('a reserved bit of a close', [{ opcode: 8, reserved: 1 }], wrong),
  row(
    'a reserved bit of a continuation',
    [
      { payload: '{', isFinal: false },
      { opcode: 0, reserved: 4, payload: '}' },
    ],
    wrong,
  ),
  row('a message, then a reserved bit', [{ payload: ping }, { reserved: 2 }], ['answer pong', ...wrong]),
];

const pings = [
  row('a ping without a payload', [{ opcode: 9 }], ['pong ']),
  row('a ping with a payload', [{ opcode: 9, payload: 'hello' }], ['pong hello']),
  row('a ping of 125 bytes', [{ opcode: 9, payload: 'x'.repeat(125) }], [`pong ${'x'.repeat(125)}`]),
  row('a ping of 126 bytes', [{ opcode: 9, payload: 'x'.repeat(126) }], wrong),
  row('a ping of 65,536 bytes', [{ opcode: 9, payload: 'x'.repeat(65_536) }], wrong),
  row(
    'a ping with bytes that are no text',
    [{ opcode: 9, payload: hex('00 ff fe 80') }],
    [`pong ${hex('00 ff fe 80').toString('latin1')}`],
  ),
  row('a fragmented ping', [{ opcode: 9, isFinal: false, payload: 'x' }], wrong),
  row('a pong that nobody asked for', [{ opcode: 10 }], none),
  row('a pong with a payload', [{ opcode: 10, payload: 'hello' }], none),
  row('a pong of 126 bytes', [{ opcode: 10, payload: 'x'.repeat(126) }], wrong),
  row('a fragmented pong', [{ opcode: 10, isFinal: false }], wrong),
  row(
    'a pong, then a ping',
    [
      { opcode: 10, payload: 'a' },
      { opcode: 9, payload: 'b' },
    ],
    ['pong b'],
  ),
  row(
    'ten pings',
    Array.from({ length: 10 }, (_, index) => ({ opcode: 9, payload: `p${index}` })),
    Array.from({ length: 10 }, (_, index) => `pong p${index}`),
  ),
  row(
    'a ping before and behind a message',
    [{ opcode: 9, payload: 'a' }, { payload: ping }, { opcode: 9, payload: 'b' }],
    ['pong a', 'answer pong', 'pong b'],
  ),
];

const fragments = [
  row('a text in two', cut(ping, 5), ['answer pong']),
  row('a text in one for each byte', cut(ping, ...Array.from(ping).keys()), ['answer pong']),
  row('an empty first fragment', cut(ping, 0), ['answer pong']),
  row('an empty last fragment', cut(ping, ping.length), ['answer pong']),
  row('empty fragments only', cut('', 0, 0), [letIn]),
  row(
    'a binary message in two',
    [
      { opcode: 2, isFinal: false, payload: 'a' },
      { opcode: 0, payload: 'b' },
    ],
    [letIn],
  ),
  row('two messages in fragments', [...cut(ping, 4), ...cut(ping, 9)], ['answer pong', 'answer pong']),
  row(
    'a ping between',
    [cut(ping, 5)[0] ?? {}, { opcode: 9, payload: 'p' }, cut(ping, 5)[1] ?? {}],
    ['pong p', 'answer pong'],
  ),
  row('a pong between', [cut(ping, 5)[0] ?? {}, { opcode: 10 }, cut(ping, 5)[1] ?? {}], ['answer pong']),
  row(
    'two pings between',
    [cut(ping, 5)[0] ?? {}, { opcode: 9, payload: 'p' }, { opcode: 9, payload: 'q' }, cut(ping, 5)[1] ?? {}],
    ['pong p', 'pong q', 'answer pong'],
  ),
  row(
    'a close between',
    [cut(ping, 5)[0] ?? {}, { opcode: 8, payload: closePayload(1_000) }],
    ['close 1000'],
  ),
  row('a fragmented ping between', [cut(ping, 5)[0] ?? {}, { opcode: 9, isFinal: false }], wrong),
  row('a continuation of nothing', [{ opcode: 0, payload: ping }], wrong),
  row('a continuation of nothing that goes on', [{ opcode: 0, isFinal: false, payload: ping }], wrong),
  row(
    'a continuation behind a whole message',
    [{ payload: ping }, { opcode: 0, payload: 'x' }],
    ['answer pong', ...wrong],
  ),
  row('a text within a text', [{ isFinal: false, payload: '{' }, { payload: ping }], wrong),
  row('a binary message within a text', [{ isFinal: false, payload: '{' }, { opcode: 2 }], wrong),
  row('a text within a binary message', [{ opcode: 2, isFinal: false }, { payload: ping }], wrong),
  row(
    'a second beginning',
    [
      { isFinal: false, payload: '{' },
      { isFinal: false, payload: '}' },
    ],
    wrong,
  ),
];

const json = (text: Buffer): Buffer => Buffer.concat([Buffer.from('"'), text, Buffer.from('"')]);
const goodTexts: readonly [string, string][] = [
  ['two bytes', 'ce ba e1 bd b9'],
  ['the first of two bytes', 'c2 80'],
  ['the last of two bytes', 'df bf'],
  ['the first of three bytes', 'e0 a0 80'],
  ['the last before surrogates', 'ed 9f bf'],
  ['the first behind surrogates', 'ee 80 80'],
  ['a replacement character', 'ef bf bd'],
  ['the last of three bytes', 'ef bf bf'],
  ['the first of four bytes', 'f0 90 80 80'],
  ['the last of all', 'f4 8f bf bf'],
  ['a byte order mark', 'ef bb bf'],
];
const badTexts: readonly [string, string][] = [
  ['a byte that only continues', '80'],
  ['two that only continue', '80 bf'],
  ['ff', 'ff'],
  ['fe', 'fe'],
  ['an overlong /', 'c0 af'],
  ['an overlong / of three bytes', 'e0 80 af'],
  ['an overlong / of four bytes', 'f0 80 80 af'],
  ['c1', 'c1 bf'],
  ['the last that is overlong in three', 'e0 9f bf'],
  ['the last that is overlong in four', 'f0 8f bf bf'],
  ['a high surrogate', 'ed a0 80'],
  ['a low surrogate', 'ed bf bf'],
  ['a pair of surrogates', 'ed a0 80 ed b0 80'],
  ['above the last', 'f4 90 80 80'],
  ['five bytes', 'f8 88 80 80 80'],
  ['six bytes', 'fc 84 80 80 80 80'],
  ['a character without its end', 'ce ba e1'],
  ['a character cut by another', 'e2 82 41'],
];
const texts = [
  ...goodTexts.map(([what, text]) => row(`UTF-8: ${what}`, [{ payload: json(hex(text)) }], [letIn])),
  ...goodTexts.map(([what, text]) => {
    const all = json(hex(text));
    return row(`UTF-8 in fragments: ${what}`, cut(all, ...all.keys()), [letIn]);
  }),
  ...badTexts.map(([what, text]) => row(`no UTF-8: ${what}`, [{ payload: json(hex(text)) }], notText)),
  ...badTexts.map(([what, text]) => {
    const all = json(hex(text));
    return row(`no UTF-8 in fragments: ${what}`, cut(all, ...all.keys()), notText);
  }),
  row('no UTF-8: told before the message ends', [{ isFinal: false, payload: hex('ce ba ff') }], notText),
  row(
    'no UTF-8: told before the frame ends',
    rawFrame({ payload: hex('f4 90'.padEnd(300, ' 41')) }).subarray(0, 12),
    notText,
  ),
  row(
    'no UTF-8: bytes of a binary message may be any',
    [{ opcode: 2, payload: hex('ff fe 80 c0') }],
    [letIn],
  ),
];

const closes = [
  row('a close without a code', [{ opcode: 8 }], ['close none']),
  row('a close of one byte', [{ opcode: 8, payload: bytes(3) }], wrong),
  ...[
    1_000, 1_001, 1_002, 1_003, 1_007, 1_008, 1_009, 1_010, 1_011, 1_012, 1_013, 1_014, 3_000, 3_999, 4_000,
    4_999,
  ].map((code) => row(`close code ${code}`, [{ opcode: 8, payload: closePayload(code) }], [`close ${code}`])),
  ...[0, 1, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 1_100, 2_000, 2_999, 5_000, 65_535].map((code) =>
    row(`close code ${code}`, [{ opcode: 8, payload: closePayload(code) }], wrong),
  ),
  row('a close with a reason', [{ opcode: 8, payload: closePayload(1_000, 'bye') }], ['close 1000']),
  row(
    'a close with a reason of 123 bytes',
    [{ opcode: 8, payload: closePayload(1_000, 'x'.repeat(123)) }],
    ['close 1000'],
  ),
  row(
    'a close with a reason of 124 bytes',
    [{ opcode: 8, payload: closePayload(1_000, 'x'.repeat(124)) }],
    wrong,
  ),
  row(
    'a close with a reason that is no UTF-8',
    [{ opcode: 8, payload: closePayload(1_000, hex('ce ba ff')) }],
    notText,
  ),
  row('a close with half a character', [{ opcode: 8, payload: closePayload(1_000, hex('e2 82')) }], notText),
  row('a fragmented close', [{ opcode: 8, isFinal: false, payload: closePayload(1_000) }], wrong),
  row(
    'a message behind a close',
    [{ opcode: 8, payload: closePayload(1_000) }, { payload: ping }],
    ['close 1000'],
  ),
  row('a ping behind a close', [{ opcode: 8, payload: closePayload(1_000) }, { opcode: 9 }], ['close 1000']),
  row(
    'two closes',
    [
      { opcode: 8, payload: closePayload(1_000) },
      { opcode: 8, payload: closePayload(1_001) },
    ],
    ['close 1000'],
  ),
  row(
    'a close behind messages',
    [{ payload: ping }, { payload: ping }, { opcode: 8, payload: closePayload(1_000) }],
    ['answer pong', 'answer pong', 'close 1000'],
  ),
];

const deflated = (text: string): Buffer => {
  const all = deflateRawSync(text, { finishFlush: 2 });
  return all.subarray(0, all.length - 4);
};
const half = deflated(ping).subarray(0, 6);
const deflate = [
  row('a compressed text', [{ reserved: 4, payload: deflated(ping) }], ['answer pong'], true),
  row('a text that is not compressed', [{ payload: ping }], ['answer pong'], true),
  row(
    'both in turn',
    [{ reserved: 4, payload: deflated(ping) }, { payload: ping }, { reserved: 4, payload: deflated(ping) }],
    ['answer pong', 'answer pong', 'answer pong'],
    true,
  ),
  row(
    'a compressed text in fragments',
    [
      { reserved: 4, isFinal: false, payload: half },
      { opcode: 9, payload: 'p' },
      { opcode: 0, payload: deflated(ping).subarray(6) },
    ],
    ['pong p', 'answer pong'],
    true,
  ),
  row('a compressed text of nothing', [{ reserved: 4, payload: bytes(0) }], [letIn], true),
  row('a compressed binary message', [{ opcode: 2, reserved: 4, payload: deflated('x') }], [letIn], true),
  row(
    'a compressed text that is no UTF-8',
    [{ reserved: 4, payload: deflateRawSync(hex('ff'), { finishFlush: 2 }).subarray(0, -4) }],
    notText,
    true,
  ),
  row('what cannot be decompressed', [{ reserved: 4, payload: hex('ff ff ff ff') }], notText, true),
  row('a bomb', [{ reserved: 4, payload: deflated(' '.repeat(8 * 1024 * 1024)) }], ['close 1009'], true),
  row(
    'the bit on a continuation',
    [
      { reserved: 4, isFinal: false, payload: half },
      { opcode: 0, reserved: 4 },
    ],
    wrong,
    true,
  ),
  row('the bit on a ping', [{ opcode: 9, reserved: 4 }], wrong, true),
  row('another reserved bit', [{ reserved: 6, payload: deflated(ping) }], wrong, true),
];

export const webSocketCases: readonly WebSocketCase[] = [
  ...lengths,
  ...masks,
  ...opcodes,
  ...reserved,
  ...pings,
  ...fragments,
  ...texts,
  ...closes,
  ...deflate,
];
