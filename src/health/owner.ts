// Which of a region's replicas looks at a target and speaks for it: the one whose name weighs most beside the target's (rendezvous hashing). Everybody
// who knows the same names finds the same owner without asking, and who leaves or joins moves only its own targets. Pure; guards nothing: who may
// count on an owner's word is shares.ts.
import type { TargetId } from '../model.ts';

/** Every bit of the input moves about half of the bits of the result; no two inputs have the same result. */
const mixed = (bits: number): number => {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** 32 bits of a text: FNV-1a over its UTF-16 units, mixed. Spreads names; no secret and no defence. */
const hashOf = (text: string): number => {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mixed(h);
};

/** The owner among `peers`, in whatever order they are listed; the empty text when there are none. Both endpoints of a target have one owner. */
export const ownerOf = (target: TargetId, peers: readonly string[]): string => {
  if (peers.length === 1) return peers[0] ?? '';
  const place = hashOf(target);
  let owner = '';
  let most = -1;
  for (const peer of peers) {
    const weight = mixed(place ^ hashOf(peer));
    // Only names whose own hashes collide weigh the same; then the name decides.
    if (weight > most || (weight === most && peer < owner)) {
      most = weight;
      owner = peer;
    }
  }
  return owner;
};
