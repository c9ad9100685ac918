// What a page is about, as its detail says: who routes, limits and shows pages by it reads it here alone. Pure.
import type { Page } from '../model.ts';

type Detail = Page['detail'];

/** Members of a detail that say it. */
const MEMBERS: readonly string[] = ['service', 'services', 'region', 'regions', 'down', 'incident'];

/** The texts in a value: itself, or those of a list. */
export const textsOf = (value: unknown): readonly string[] =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];

/** A region that speaks of another stands first. */
export const aboutOf = ({ detail }: Pick<Page, 'detail'>): { services: readonly string[]; regions: readonly string[] } => ({
  services: [...textsOf(detail.services), ...textsOf(detail.service)],
  regions: [...textsOf(detail.region), ...textsOf(detail.regions), ...textsOf(detail.down)],
});

/** No more of a detail than that, for a page about the same. */
export const aboutAlone = (detail: Detail): Detail =>
  Object.fromEntries(Object.entries(detail).filter(([member]) => MEMBERS.includes(member)));
