import { describe, expect, it } from 'vitest';
import { mayTouch, validOwner } from '../../core/terminals/owners.ts';
import type { Scope } from '../../protocol/daemon/handshake.ts';
import { callerOfToken, localCaller } from './caller.ts';

const drive: ReadonlySet<Scope> = new Set(['read', 'drive']);
const admin: ReadonlySet<Scope> = new Set(['read', 'drive', 'admin']);

describe('who calls', () => {
  it.each([
    ['claude-code', 'mcp:claude-code'],
    ['Visual Studio Code', 'mcp:Visual-Studio-Code'],
    ['a:b@c', 'mcp:a-b-c'],
    ['../../x\n\u202e', 'mcp:..-..-x'],
    ['', 'mcp:client'],
    ['   ', 'mcp:client'],
    ['\u0000', 'mcp:client'],
    [undefined, 'mcp:client'],
    ['x'.repeat(1_000), `mcp:${'x'.repeat(40)}`],
  ])('named %j owns what %s does', (name, owner) => {
    const caller = localCaller(name, drive);
    expect(caller).toMatchObject({ owner, principal: owner });
    expect(validOwner(caller.owner)).toBe(owner);
    expect(localCaller(name, admin).principal).toBeNull();
  });

  it('has the rights of its token, whatever it calls itself', () => {
    const anna = callerOfToken({ name: 'token:anna', scopes: drive }, 'x');
    expect(anna.owner).toBe('mcp:@token.anna:x');
    const others = [
      callerOfToken({ name: 'token:bert', scopes: drive }, 'x'),
      callerOfToken({ name: 'jwt:anna', scopes: drive }, 'x'),
      localCaller('@token.anna', drive),
      localCaller('x', drive, '@token.anna:x'),
    ];
    for (const other of others) expect(mayTouch(other.principal, anna.owner)).toBe(false);
    expect(mayTouch(callerOfToken({ name: 'token:anna', scopes: drive }, 'y').principal, anna.owner)).toBe(
      true,
    );
    expect(callerOfToken({ name: 'token', scopes: admin }, 'x')).toMatchObject({
      owner: 'mcp:x',
      principal: null,
    });
  });

  it('is never taken for another identity that looks alike once it is written as an id', () => {
    const names = [
      'jwt:a b',
      'jwt:a-b',
      'jwt:a:b',
      'jwt:a.b',
      'jwt:a-b~a',
      `jwt:${'a'.repeat(60)}`,
      `jwt:${'a'.repeat(61)}`,
    ];
    const owners = names.map((name) => callerOfToken({ name, scopes: drive }, 'x').owner);
    for (const owner of owners) {
      expect(validOwner(owner).length).toBeLessThanOrEqual(120);
    }
    expect(new Set(owners).size).toBe(names.length);
  });
});
