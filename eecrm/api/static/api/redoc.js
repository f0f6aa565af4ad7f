"use strict";

// The page on which to read about the API. Without its search, which would be a script made on the fly.
const description = document.getElementById("description");

// Redoc's badge fetches a logo from another host: it gets none, and leaves it out.
const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...source,
  set(value) {
    source.set.call(this, new URL(value, location).host === location.host ? value : "data:,");
  },
});

const fonts = "system-ui, sans-serif";

Redoc.init(
  description.dataset.schema,
  {
    disableSearch: true,
    expandResponses: "200,201",
    jsonSampleExpandLevel: 3,
    nativeScrollbars: true,
    pathInMiddlePanel: true,
    theme: { typography: { fontFamily: fonts, fontSize: "15px", headings: { fontFamily: fonts } } },
  },
  description,
);
