"""Records -> one HTML page that works offline, and its figures as SVG and PNG (`build.build`).

`study` gathers what is shown (records, kept logits, images), a module a section in `sections` turns it
into blocks of text, tables and Vega-Lite charts (`charts`), `page` puts them into the template and draws them without
a browser.
"""
