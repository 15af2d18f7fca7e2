import { mount } from "svelte";
import "../app.css";
import Alerts from "./Alerts.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("alerts/index.html has no #app");
mount(Alerts, { target });
