import { describe, expect, it } from 'vitest';
import { FrameParser, type StreamFrame } from './frameParser.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** All frames of a text that arrives in pieces of so many bytes. */
function parse(text: string, pieceBytes = Number.MAX_SAFE_INTEGER): StreamFrame[] {
  const parser = new FrameParser();
  const bytes = encode(text);
  const frames: StreamFrame[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    frames.push(...parser.push(bytes.subarray(at, at + pieceBytes)));
  }
  return [...frames, ...parser.end()];
}

const standard =
  '\uFEFF: a comment\nretry: 3000\nid: 1\nevent: a.b\ndata: {"text":"grüße 👋"}\n\n' +
  'id: 2\r\nevent: c\r\ndata: one\r\ndata: two\r\n\r\n\r\n: keep-alive\r\rdata:3\rid: 3\revent: late\r\r';
const standardFrames = [
  { event: 'a.b', data: { text: 'grüße 👋' }, id: '1' },
  { event: 'c', data: 'one\ntwo', id: '2' },
  { event: 'late', data: 3, id: '3' },
];
const bare =
  'event: response.created\ndata: {"status": "accepted"}\nevent: x\ndata: {"text": "\\u00e9"}\n' +
  'event: response.completed\ndata: {"status": "success"}\n';
const bareFrames = [
  { event: 'response.created', data: { status: 'accepted' }, id: undefined },
  { event: 'x', data: { text: 'é' }, id: undefined },
  { event: 'response.completed', data: { status: 'success' }, id: undefined },
];

describe('frames', () => {
  it.each([
    ['as the standard has them', standard, standardFrames],
    ['without blank lines', bare, bareFrames],
    ['without blank lines, and CRLF', bare.replaceAll('\n', '\r\n'), bareFrames],
  ])('are read %s, cut anywhere', (_, text, frames) => {
    for (let pieceBytes = 1; pieceBytes <= 40; pieceBytes += 1)
      expect(parse(text, pieceBytes)).toEqual(frames);
    expect(parse(text)).toEqual(frames);
  });

  it('without blank lines do not wait for the next one, once that is known', () => {
    const parser = new FrameParser();
    const [first = '', second = '', third = ''] = bare.split(/(?<=\}\n)/);
    expect(parser.push(encode(first))).toEqual([]);
    expect(parser.push(encode(second))).toEqual(bareFrames.slice(0, 2));
    expect(parser.push(encode(third))).toEqual(bareFrames.slice(2));
  });

  it('that break off are left out', () => {
    expect(parse('event: a\ndata: {"x":')).toEqual([]);
    expect(parse('event: a\ndata: {"x":\n')).toEqual([]);
    expect(parse('event: a\n\ndata: 1')).toEqual([]);
  });

  it('of 10 MB in one line cost their length, however they are cut', () => {
    const text = 'x'.repeat(10_000_000);
    const begin = performance.now();
    expect(parse(`event: a\ndata: "${text}"\n\n`, 1_400)).toEqual([{ event: 'a', data: text }]);
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('over the limits are an error, not memory', () => {
    const parser = new FrameParser({ maxLine: 100, maxFrame: 150 });
    expect(() => parser.push(encode(`data: ${'x'.repeat(200)}`))).toThrow(/a line of more than 100/);
    const other = new FrameParser({ maxLine: 100, maxFrame: 150 });
    expect(() => other.push(encode(`data: ${'x'.repeat(90)}\n`.repeat(3)))).toThrow(
      /a frame of more than 150/,
    );
  });
});
