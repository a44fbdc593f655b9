import { describe, expect, it } from 'vitest';
import { isOwnedBy, mayTouch, rootOwner, validOwner } from './owners.ts';

describe('owners', () => {
  it('are a tree at the colon, so that coordinator-1 never has coordinator-10', () => {
    const manager = 'orchestrator:coordinator-1';
    expect(isOwnedBy(manager, manager)).toBe(true);
    expect(isOwnedBy(`${manager}:codegen`, manager)).toBe(true);
    expect(isOwnedBy(`${manager}:codegen:lint`, manager)).toBe(true);
    expect(isOwnedBy(`${manager}0`, manager)).toBe(false);
    expect(isOwnedBy(`${manager}0:codegen`, manager)).toBe(false);
    expect(isOwnedBy('orchestrator', manager)).toBe(false);
    expect(isOwnedBy(null, manager)).toBe(false);
  });

  it('can be matched exactly, as the source does', () => {
    expect(isOwnedBy('a', 'a', { exact: true })).toBe(true);
    expect(isOwnedBy('a:b', 'a', { exact: true })).toBe(false);
  });

  it('reach what is theirs and below; a person reaches everything', () => {
    expect(mayTouch(null, null)).toBe(true);
    expect(mayTouch(null, 'a')).toBe(true);
    expect(mayTouch('a', 'a:b')).toBe(true);
    expect(mayTouch('a:b', 'a')).toBe(false);
    expect(mayTouch('a', null)).toBe(false);
  });

  it('count together below the agent that started them', () => {
    expect(rootOwner('orchestrator:coordinator-1:codegen')).toBe('orchestrator:coordinator-1');
    expect(rootOwner('mcp:claude-code:x')).toBe('mcp:claude-code');
    expect(rootOwner('agent-1:x')).toBe('agent-1');
    expect(rootOwner('orchestrator')).toBe('orchestrator');
  });

  it.each(['', 'a b', 'a\n', 'x'.repeat(257)])('are refused when malformed: %j', (owner) => {
    expect(() => validOwner(owner)).toThrow(/owner/);
  });
});
