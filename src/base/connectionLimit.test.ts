import { describe, expect, it } from 'vitest';
import { ConnectionLimit } from './connectionLimit.ts';

class FakeConnection {
  readonly remoteAddress: string;
  isOpen = true;
  private readonly listeners: (() => void)[] = [];

  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress;
  }

  once(_event: 'close', listener: () => void): void {
    this.listeners.push(listener);
  }

  destroy(): void {
    this.isOpen = false;
    for (const listener of this.listeners) listener();
  }
}

function scene(limit: number): {
  limit: ConnectionLimit<FakeConnection>;
  open: (address: string) => FakeConnection;
} {
  const connections = new ConnectionLimit<FakeConnection>(limit);
  const open = (address: string): FakeConnection => {
    const connection = new FakeConnection(address);
    connections.admit(connection);
    return connection;
  };
  return { limit: connections, open };
}

describe('ConnectionLimit', () => {
  it('ends the oldest of whoever has most, so that others come through', () => {
    const { open } = scene(4);
    const friend = open('friend');
    const crowd = Array.from({ length: 20 }, () => open('crowd'));
    expect(friend.isOpen).toBe(true);
    expect(crowd.filter(({ isOpen }) => isOpen)).toEqual(crowd.slice(-3));
  });

  it('never ends a trusted one, and refuses when all are trusted', () => {
    const { limit, open } = scene(3);
    const trusted = [open('a'), open('a'), open('a')];
    for (const connection of trusted) limit.trust(connection);
    expect(open('b').isOpen).toBe(false);
    expect(trusted.every(({ isOpen }) => isOpen)).toBe(true);
  });

  it('has room again for each one that closes', () => {
    const { limit, open } = scene(2);
    const [first, second] = [open('a'), open('b')];
    limit.trust(first);
    limit.trust(second);
    first.destroy();
    expect(open('c').isOpen).toBe(true);
    // What has closed is trusted no more.
    limit.trust(first);
    expect(open('d').isOpen).toBe(true);
  });
});
