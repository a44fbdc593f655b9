import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contributions } from './contributions.ts';
import { commandIds, settingIds, viewIds } from './contributions/ids.ts';
import { restrictedConfigurations } from './contributions/settings.ts';

/** The code that runs, without the declarations themselves and without tests. */
const code = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !/(^|[\\/])contributions/.test(file),
  )
  .map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
  .join('\n');

const declared = contributions.commands.map(({ command }) => command);
const settings = contributions.configuration.flatMap(({ properties }) => Object.entries(properties));

describe('commands', () => {
  it('are declared once each, and all of them', () => {
    expect(new Set(declared).size).toBe(declared.length);
    expect(declared.toSorted()).toEqual(Object.values(commandIds).toSorted());
  });

  it.each(Object.keys(commandIds))('%s has a handler', (key) => {
    expect(code).toContain(`[commandIds.${key}]:`);
  });

  it('have titles in title case', () => {
    const small = /^(to|from|of|or|on|and|in|the|a)$/;
    for (const { title } of contributions.commands) {
      for (const word of title.split(' ')) expect(small.test(word) || /^[A-Z]/.test(word), title).toBe(true);
    }
  });

  it('that menus and keys name are declared', () => {
    const named = [...Object.values(contributions.menus).flat(), ...contributions.keybindings];
    for (const { command } of named) expect(declared).toContain(command);
    for (const { when } of contributions.keybindings) expect(when).not.toBe('');
  });

  it('are at most three inline on a row', () => {
    // What a row can be, as rows.ts marks it.
    const kinds = [
      'session',
      'run canAbort',
      'run canRetry endedRun',
      'terminal canKill',
      'terminal endedTerminal',
      'container containerLive containerRunning containerInput containerPort',
      'container containerLive containerPaused',
      'container containerEnded',
      'agent online',
      'task canCancel',
      'containerTask canStopTask',
      'containerTask canStopTask canRetryTask',
      'containerTask canRetryTask endedTask',
      'remote remoteConnected',
    ];
    for (const kind of kinds) {
      const inline = contributions.menus['view/item/context'].filter(({ group, when }) => {
        const token = /viewItem =~ \/\\b(\w+)\\b\//.exec(when)?.[1] ?? '';
        return group.startsWith('inline') && kind.split(' ').includes(token);
      });
      expect(inline.length, kind).toBeGreaterThan(0);
      expect(inline.length, kind).toBeLessThanOrEqual(3);
    }
  });
});

describe('settings', () => {
  it('are declared once each, and all of them', () => {
    expect(settings.map(([id]) => id).toSorted()).toEqual(Object.values(settingIds).toSorted());
  });

  it.each(Object.keys(settingIds))('%s is read', (key) => {
    // At activation, by what loads nothing else.
    expect(code).toMatch(
      new RegExp(`(?:(?:read|inspect)Setting|getConfiguration\\(\\)\\.get)\\(settingIds\\.${key}\\)`),
    );
  });

  it('have a default that fits their schema', () => {
    for (const [id, schema] of settings) {
      const type = schema.type === 'integer' ? 'number' : schema.type;
      expect(Array.isArray(schema.default) ? 'array' : typeof schema.default, id).toBe(type);
      if (schema.enum !== undefined) expect(schema.enum, id).toContain(schema.default);
      expect(schema.enumItemLabels?.length, id).toBe(schema.enum?.length);
    }
  });

  it('that name programs, folders or engines are not taken from an untrusted workspace', () => {
    for (const [id] of settings) {
      const namesPath = /shell$|directory$|engine$|tools\.servers$/i.test(id);
      expect(restrictedConfigurations.includes(id as never), id).toBe(namesPath);
    }
  });
});

describe('views', () => {
  it('have a welcome for every state in which they are empty', () => {
    const ofSessions = contributions.viewsWelcome.filter(({ view }) => view === viewIds.sessions);
    for (const state of ['!isWorkspaceTrusted', 'inUse', 'broken', 'ready']) {
      expect(
        ofSessions.some(({ when }) => when.includes(state)),
        state,
      ).toBe(true);
    }
  });

  it('name in their links only commands that are there', () => {
    const texts = [
      ...contributions.viewsWelcome.map(({ contents }) => contents),
      ...contributions.walkthroughs.flatMap(({ steps }) => steps.map(({ description }) => description)),
    ].join('\n');
    for (const [, command] of texts.matchAll(/\(command:([\w.]+)\)/g)) {
      expect([...declared, `${viewIds.sessions}.focus`]).toContain(command);
    }
  });
});
