// What speaks to the providers is big and needed by few: one bundle for all who need it, loaded with the first request.
export { createAnthropic } from '@ai-sdk/anthropic';
export { createOpenAICompatible } from '@ai-sdk/openai-compatible';
export { extractReasoningMiddleware, wrapLanguageModel } from 'ai';
