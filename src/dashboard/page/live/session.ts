// Who looks, with which replica the page speaks, and what he may do. The token lives in the memory of this page and nowhere else: closing or loading it again
// forgets it.
import { computed, signal } from '@preact/signals';
import { origin } from '../browser.ts';
import type { Me, SignIn } from '../types.ts';

export const token = signal<string | null>(null);
export const me = signal<Me | null>(null);
/** What this replica lets one sign in with; null: not asked yet. */
export const ways = signal<SignIn | null>(null);
/** What is forgotten, too, when somebody signs out. */
export const forgetting = new Set<() => void>();
/** The how many-th reader looks: what panels hold for themselves goes with the last one. */
export const reader = signal(1);
/** It wants credentials before it shows anything. */
export const isLocked = signal(false);

/** Where the page goes on after its own region was lost: a region and its address; null: where it came from. */
export const elsewhere = signal<{ region: string; url: string } | null>(null);
export const base = (): string => elsewhere.value?.url ?? origin();

const RANK = ['viewer', 'operator', 'approver', 'admin'];
export const may = (role: Me['role']): boolean => me.value !== null && RANK.indexOf(me.value.role) >= RANK.indexOf(role);
export const isOperator = computed(() => may('operator'));
export const isApprover = computed(() => may('approver'));
