import { expect, it } from 'vitest';
import { readProfiles } from './backendProfiles.ts';

const lab = { name: 'Lab', url: 'https://lab.example:8443/api', headers: { 'X-User-Id': 'me' } };

it('profiles are read with what they leave out', () => {
  expect(
    readProfiles([lab, { name: ' Local ', url: 'http://127.0.0.1:8787', secretHeaders: ['Authorization'] }]),
  ).toEqual({
    profiles: [
      { ...lab, secretHeaders: [] },
      { name: 'Local', url: 'http://127.0.0.1:8787', headers: {}, secretHeaders: ['Authorization'] },
    ],
    problems: [],
  });
  expect(readProfiles(undefined)).toEqual({ profiles: [], problems: [] });
});

it.each([
  [{ url: 'http://x' }, 'Run backend 1 needs a name'],
  [{ name: 'a', url: 'ftp://x' }, 'The run backend "a" has a wrong url: Give http(s)://HOST:PORT.'],
  [{ name: 'a', url: 'http://u:p@x' }, 'no user and no password'],
  [{ name: 'a', url: 'http://x?token=1' }, 'Leave out'],
  [{ name: 'a', url: 'http://x', headers: { 'a b': 'c' } }, 'no name of one'],
  [{ name: 'a', url: 'http://x', headers: { a: 'c\r\nd: e' } }, 'no header can have'],
  [{ name: 'a', url: 'http://x', headers: ['a'] }, 'needs a name'],
  ['a', 'needs a name'],
])('%j is told as wrong, and the others are there', (entry, problem) => {
  const { profiles, problems } = readProfiles([entry, lab, lab]);
  expect(profiles.map(({ name }) => name)).toEqual(['Lab']);
  expect(problems[0]).toContain(problem);
  expect(problems[1]).toBe('The run backend "Lab" has a name twice.');
});
