import type { FailureReason } from './agentAdapter.ts';

const patterns: readonly (readonly [FailureReason, RegExp])[] = [
  [
    'not_logged_in',
    /not logged in|log ?in (?:again|required|first)|\/login|invalid (?:x-)?api[ -]key|api key (?:not|is)|incorrect api key|authenticat|unauthori[sz]ed|\b401\b|set an auth method/i,
  ],
  [
    'rate_limited',
    /rate.?limit|too many requests|usage limit|quota|overloaded|credit balance|\b(?:429|529)\b/i,
  ],
  ['refused', /\brefus(?:al|ed)\b|content policy|safety filter/i],
];

/** Why an agent failed, from the status of its model's endpoint where it tells one, else from its own words. */
export function failureReason(message: string, status?: unknown): FailureReason {
  if (status === 401 || status === 403) return 'not_logged_in';
  if (status === 429 || status === 529) return 'rate_limited';
  return patterns.find(([, pattern]) => pattern.test(message))?.[0] ?? 'agent_failed';
}
