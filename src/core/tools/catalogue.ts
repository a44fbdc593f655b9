import type { Tool } from './tool.ts';

/** A tool with a name of its own, whoever provides it (seed 004, section 2.1; parameters: contract 004, section 5). */
export interface CatalogueAction extends Tool {
  /** What a server that is named after the provider may call it, besides the name itself with and without the provider. */
  readonly otherNames: readonly string[];
}

export interface CatalogueProvider {
  readonly provider: string;
  readonly displayName: string;
  readonly actions: readonly CatalogueAction[];
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const count = { type: 'integer', minimum: 1 } as const;
const list = { type: 'array' } as const;
const texts = { anyOf: [text, { type: 'array', items: text }] } as const;

const slackPostMessage: CatalogueAction = {
  name: 'slack_post_message',
  provider: 'slack',
  description: 'Post a message to a channel.',
  otherNames: ['send_message', 'chat_post_message'],
  inputSchema: object(['channel'], {
    channel: text,
    text,
    markdown_text: text,
    blocks: list,
    attachments: list,
    thread_ts: text,
    reply_broadcast: flag,
    as_user: flag,
    username: text,
    icon_emoji: text,
    icon_url: text,
    link_names: flag,
    parse: text,
    mrkdwn: flag,
    unfurl_links: flag,
    unfurl_media: flag,
  }),
};

const slackSearchMessages: CatalogueAction = {
  name: 'slack_search_messages',
  provider: 'slack',
  description: 'Search messages.',
  otherNames: ['search', 'conversations_search_messages'],
  inputSchema: object(['query'], {
    query: text,
    count: { ...count, default: 20 },
    page: count,
    sort: text,
    sort_dir: text,
    highlight: flag,
    auto_paginate: flag,
  }),
};

const gmailSendEmail: CatalogueAction = {
  name: 'gmail_send_email',
  provider: 'gmail',
  description: 'Send an e-mail.',
  otherNames: ['send', 'send_message'],
  inputSchema: object(['to', 'subject', 'body'], {
    to: texts,
    subject: text,
    body: text,
    cc: texts,
    bcc: texts,
    thread_id: text,
    is_html: flag,
  }),
};

const gmailSearch: CatalogueAction = {
  name: 'gmail_search',
  provider: 'gmail',
  description: 'Search the mailbox.',
  otherNames: ['search_emails', 'search_messages'],
  inputSchema: object(['query'], {
    query: text,
    max_results: { ...count, default: 20 },
    label_ids: { type: 'array', items: text },
    page_token: text,
    include_payload: flag,
    include_spam_trash: flag,
    ids_only: flag,
    verbose: flag,
    user_id: { ...text, default: 'me' },
  }),
};

/** Its schemas are for showing what there would be: a tool that is there is called by its server's own schema. */
export const catalogue: readonly CatalogueProvider[] = [
  { provider: 'slack', displayName: 'Slack', actions: [slackPostMessage, slackSearchMessages] },
  { provider: 'gmail', displayName: 'Gmail', actions: [gmailSendEmail, gmailSearch] },
];

const actions: ReadonlyMap<string, CatalogueAction> = new Map(
  catalogue.flatMap((provider) => provider.actions).map((action) => [action.name, action]),
);

/** @param name to the letter. */
export function catalogueAction(name: string): CatalogueAction | undefined {
  return actions.get(name);
}

/** What a tool of a server is in the catalogue, where nobody has said so: by the server's name and its own. */
export function catalogueMatch(server: string, ownName: string): CatalogueAction | undefined {
  const exact = actions.get(ownName);
  if (exact !== undefined) return exact;
  const known = catalogue.find(({ provider }) => provider === server);
  return (
    known?.actions.find(({ name }) => name === `${server}_${ownName}`) ??
    known?.actions.find(({ otherNames }) => otherNames.includes(ownName))
  );
}

function object(
  required: readonly string[],
  properties: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { type: 'object', required, properties };
}
