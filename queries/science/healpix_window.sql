-- Alerts of a HEALPix cell in a time window
-- For work that is split by cells of the sky: alerts of one cell, NESTED, within a window of time.
-- survey: lsst
-- param order integer from 0 to 29: order of the cell
-- param cell integer from 0 to 3458764513820540927: number of the cell in its order, NESTED
-- param start number d: begin of the window (MJD, TAI), itself included
-- param stop number d: end of the window (MJD, TAI), itself left out
-- example: order=5 cell=5000 start=61137.5 stop=61138.5
-- result: one row an alert, oldest first: its id, its object, time (MJD, TAI) and position (deg)
-- caveat: a cell that its order does not have holds nothing; an alert that was sent in several versions has a row for
--   each
-- cost: files of the window and the cell
SELECT _alert, _object, _mjd_tai, _ra, _dec
FROM lsst.alerts
-- The first two choose files; the third is right where a number is too great for its order as well.
WHERE _healpix_29 >= $cell << (2 * (29 - $order)) AND _healpix_29 < ($cell + 1) << (2 * (29 - $order))
  AND _healpix_29 >> (2 * (29 - $order)) = $cell
  AND _mjd_tai >= $start AND _mjd_tai < $stop
ORDER BY _mjd_tai, _alert
