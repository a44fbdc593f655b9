/** A scroll within this time after a key, wheel or pointer is the person's own. */
const personMs = 400;
const nearPx = 12;

/**
 * Follows the newest output until the person scrolls up, and again once they come back to the end. Whether a scroll
 * is the person's is told by what they touched, since layout changes scroll too.
 */
export class Tail {
  isFollowing = true;
  private touchedAt = Number.NEGATIVE_INFINITY;
  private lastTop = 0;
  private readonly scroller: HTMLElement;
  private readonly targetTop: () => number;
  private readonly onChange: () => void;

  /** `targetTop` is the scroll position that shows the newest output at the bottom. */
  constructor(scroller: HTMLElement, targetTop: () => number, onChange: () => void) {
    this.scroller = scroller;
    this.targetTop = targetTop;
    this.onChange = onChange;
    const touch = (): void => {
      this.touchedAt = performance.now();
    };
    for (const type of ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const) {
      scroller.addEventListener(type, touch, { passive: true });
    }
    scroller.addEventListener(
      'pointermove',
      (event) => {
        if (event.buttons !== 0) touch();
      },
      { passive: true },
    );
    scroller.addEventListener(
      'scroll',
      () => {
        this.onScroll();
      },
      { passive: true },
    );
  }

  private onScroll(): void {
    const { scrollTop } = this.scroller;
    const isUp = scrollTop < this.lastTop;
    this.lastTop = scrollTop;
    if (performance.now() - this.touchedAt > personMs) return;
    const isNear = this.targetTop() - scrollTop <= nearPx;
    const next = isNear || (this.isFollowing && !isUp);
    if (next === this.isFollowing) return;
    this.isFollowing = next;
    this.onChange();
  }

  follow(): void {
    if (!this.isFollowing) {
      this.isFollowing = true;
      this.onChange();
    }
    this.pin();
  }

  /** The person looks at something else now. */
  leave(): void {
    if (!this.isFollowing) return;
    this.isFollowing = false;
    this.onChange();
  }

  /** Scrolls to the newest output, if it is followed. */
  pin(): void {
    if (!this.isFollowing) return;
    const target = this.targetTop();
    if (Math.abs(target - this.scroller.scrollTop) >= 1) this.scroller.scrollTop = target;
    this.lastTop = this.scroller.scrollTop;
  }
}
