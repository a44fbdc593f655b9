/** Offsets in a text: the first character, and the one after the last. */
export interface TextSpan {
  readonly from: number;
  readonly to: number;
}

type Visit = (path: readonly PropertyKey[], span: TextSpan) => void;

/**
 * Where the thing of a path stands in a JSON text: the name of a property, or an element of a list. What is not there
 * stands where the nearest thing around it does. Undefined where the text is no JSON up to there.
 */
export function placeInJson(text: string, path: readonly PropertyKey[]): TextSpan | undefined {
  let best: TextSpan | undefined;
  let depth = -1;
  scan(text, (visited, span) => {
    const isOnTheWay = visited.every((part, index) => part === path[index]);
    if (!isOnTheWay || visited.length <= depth) return;
    depth = visited.length;
    best = span;
  });
  return best;
}

/** Where a text stops being JSON; undefined where it is JSON to its end. */
export function jsonErrorAt(text: string): number | undefined {
  return scan(text, () => undefined);
}

const space = /[ \t\r\n]*/y;
const literal = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/y;
const string = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
/** Deeper than any manifest, and far from the end of the stack. */
const deepest = 200;

/** @returns where it stopped being JSON. */
function scan(text: string, visit: Visit): number | undefined {
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const taken = pattern.exec(text)?.[0];
    at += taken?.length ?? 0;
    return taken;
  };
  const takeMark = (mark: string): boolean => {
    take(space);
    if (text[at] !== mark) return false;
    at += 1;
    return true;
  };
  const members = (close: string, member: (index: number) => boolean): boolean => {
    if (takeMark(close)) return true;
    for (let index = 0; ; index += 1) {
      if (!member(index)) return false;
      if (takeMark(close)) return true;
      if (!takeMark(',')) return false;
    }
  };
  const value = (path: readonly PropertyKey[], key: TextSpan | undefined): boolean => {
    take(space);
    const from = at;
    // A long value is not to be underlined as a whole: its name says which it is.
    if (key !== undefined) visit(path, key);
    if (path.length > deepest) return false;
    if (takeMark('{')) {
      if (key === undefined) visit(path, { from, to: at });
      return members('}', () => {
        take(space);
        const start = at;
        const name = take(string);
        if (name === undefined || !takeMark(':')) return false;
        return value([...path, JSON.parse(name) as string], { from: start, to: start + name.length });
      });
    }
    if (takeMark('[')) {
      if (key === undefined) visit(path, { from, to: at });
      return members(']', (index) => value([...path, index], undefined));
    }
    const isThere = take(string) ?? take(literal);
    if (key === undefined) visit(path, { from, to: Math.max(at, from + 1) });
    return isThere !== undefined;
  };
  const isWhole = value([], undefined);
  take(space);
  return isWhole && at === text.length ? undefined : at;
}
