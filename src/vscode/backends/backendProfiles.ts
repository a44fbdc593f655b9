import * as z from 'zod/mini';

/** A server of `/orchestrate/stream` as the settings name it. */
export interface BackendProfile {
  /** One of its kind; what a person chooses by. */
  readonly name: string;
  /** `http(s)://HOST:PORT`, with a path where the server has one in front. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Headers whose values are in the secret storage. */
  readonly secretHeaders: readonly string[];
}

export interface ReadProfiles {
  readonly profiles: readonly BackendProfile[];
  /** What is wrong with the others: a sentence each, for a person. */
  readonly problems: readonly string[];
}

/** A token of RFC 9110. */
const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/;

const profileSchema = z.object({
  name: z.string().check(z.trim(), z.minLength(1), z.maxLength(120)),
  url: z.string(),
  headers: z.optional(z.record(z.string(), z.string())),
  secretHeaders: z.optional(z.array(z.string()).check(z.maxLength(20))),
});

/** The profiles of the setting, as far as they make sense. */
export function readProfiles(setting: unknown): ReadProfiles {
  const profiles: BackendProfile[] = [];
  const problems: string[] = [];
  for (const [index, entry] of (Array.isArray(setting) ? setting : []).entries()) {
    const parsed = profileSchema.safeParse(entry);
    const where = parsed.success ? `The run backend "${parsed.data.name}"` : `Run backend ${index + 1}`;
    const problem = parsed.success
      ? (problemOf(parsed.data) ??
        (profiles.some(({ name }) => name === parsed.data.name) ? 'has a name twice' : undefined))
      : 'needs a name and a url, and headers as an object of texts';
    if (problem !== undefined || !parsed.success) {
      problems.push(`${where} ${problem ?? 'is wrong'}.`);
      continue;
    }
    const { name, url, headers = {}, secretHeaders = [] } = parsed.data;
    profiles.push({ name, url, headers, secretHeaders });
  }
  return { profiles, problems };
}

/** Why the URL cannot be one of a server; undefined where it can. */
export function urlProblem(url: string): string | undefined {
  if (!URL.canParse(url)) return 'Give http(s)://HOST:PORT.';
  const { protocol, username, password, search, hash } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') return 'Give http(s)://HOST:PORT.';
  if (username !== '' || password !== '') return 'Give no user and no password in it: use a header.';
  return search === '' && hash === '' ? undefined : 'Leave out what stands behind the path.';
}

export function isHeaderName(name: string): boolean {
  return headerName.test(name);
}

function problemOf({
  url,
  headers = {},
  secretHeaders = [],
}: z.infer<typeof profileSchema>): string | undefined {
  const ofUrl = urlProblem(url);
  if (ofUrl !== undefined) return `has a wrong url: ${ofUrl.replace(/\.$/, '')}`;
  const wrong = [...Object.keys(headers), ...secretHeaders].find((name) => !isHeaderName(name));
  if (wrong !== undefined) return `has a header ${JSON.stringify(wrong)}, which is no name of one`;
  const broken = Object.entries(headers).find(([, value]) => /[^\t\x20-\x7e\x80-\xff]/.test(value));
  return broken === undefined ? undefined : `has a value for ${broken[0]} that no header can have`;
}
