"""Texts that try to become a part of the page that shows them."""

HOSTILE = (
    "<script>hacked=1</script>",
    '"><img src=x onerror="hacked=1">',
    "</title></style></script><svg onload=hacked=1>",
    "' autofocus onfocus='hacked=1",
    "javascript:hacked=1",
    "<!-- --><b>bold</b>",
    "]]><a href='http://example.invalid/'>",
    "&lt;script&gt; &amp; \u202ereversed\x07 $x^{2 \\ %s {0}",
    "长短期记忆",
)
