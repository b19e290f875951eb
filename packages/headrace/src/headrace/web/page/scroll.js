/** Keep the end of a chat in sight while it grows, unless the user reads further up. */
export class Scroll {
  constructor(element, content, button) {
    Object.assign(this, {element, button, follows: true});
    const observer = new ResizeObserver(() => this.grown());
    for (const each of [element, content]) observer.observe(each);
    element.addEventListener("scroll", () => this.look(), {passive: true});
    element.addEventListener("wheel", (event) => event.deltaY < 0 && this.leave(), {passive: true});
    element.addEventListener("touchmove", () => this.leave(), {passive: true});
    button.addEventListener("click", () => this.toEnd());
  }

  look() {
    const {scrollHeight, scrollTop, clientHeight} = this.element;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 40;
    this.follows = isAtEnd || (this.follows && scrollTop >= this.last);
    this.last = scrollTop;
    this.button.hidden = isAtEnd || this.follows;
  }

  leave() {
    this.follows = false;
  }

  grown() {
    if (this.follows) this.element.scrollTop = 1e9;
  }

  toEnd() {
    this.follows = true;
    this.grown();
    this.button.hidden = true;
  }
}
