import { decode, encode, Tokenizer } from 'cborg';
import { type Encoding, type MessageBounds, tooMuch } from './encoding.ts';

/** Items, a break included, so that an endless list is counted too. */
class BoundedTokenizer extends Tokenizer {
  private left: number;
  private readonly bounds: MessageBounds;

  constructor(message: Uint8Array, bounds: MessageBounds) {
    super(message, decoding);
    this.bounds = bounds;
    this.left = bounds.maxValues;
  }

  override next(): ReturnType<Tokenizer['next']> {
    this.left -= 1;
    if (this.left < 0) throw tooMuch(this.bounds);
    return super.next();
  }
}

const decoding = { allowBigInt: false, coerceUndefinedToNull: false } as const;
const encoding = { ignoreUndefinedProperties: true } as const;

/** RFC 8949. Bytes are byte strings; what is missing in JSON is missing here. */
export function createCborEncoding(): Encoding {
  return {
    isText: false,
    encode: (frame) => encode(frame, encoding),
    decode(message, bounds) {
      const value: unknown = decode(message, {
        ...decoding,
        tokenizer: new BoundedTokenizer(message, bounds),
      });
      if (!isWithin(value, bounds.maxDepth)) throw tooMuch(bounds);
      return value;
    },
  };
}

function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true;
  return depth > 0 && Object.values(value).every((item) => isWithin(item, depth - 1));
}
