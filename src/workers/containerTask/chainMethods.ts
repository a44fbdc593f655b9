/** Methods of the node's wrapper (contract 000, section 3) that mean something only on a chain. */
const chainMethods: ReadonlySet<string> = new Set([
  'fsStaking',
  'payloadSigning',
  'verifySignature',
  'decodePayload',
  'getSlot',
  'getNodes',
  'getRpcUrl',
  'getProgramAccounts',
  'sendAndConfirmTransactionWrapper',
  'sendTransaction',
  'claimReward',
  'stakeOnChain',
  'checkSubmissionAndUpdateRound',
  'getTaskState',
  'getTaskStateById',
  'getRound',
  'defaultTaskSetup',
  'getTaskSubmissionInfo',
  'getSubmitterAccount',
  'getMainAccountPubkey',
  'auditSubmission',
  'validateAndVoteOnNodes',
  'retrieveThroughHttpGateway',
  'getAverageSlotTime',
  'payoutTrigger',
  'selectAndGenerateDistributionList',
]);

export function isChainMethod(method: string): boolean {
  return chainMethods.has(method) || /distributionlist/i.test(method);
}
