// placeholder until the real one is merged
export const bannerOf = (_seen: unknown): { tone: string; sentence: string; more: readonly string[] } => ({
  tone: 'ok',
  sentence: 'All is well',
  more: [],
});
