import { mount } from "svelte";
import "../app.css";
import Sql from "./Sql.svelte";

const target = document.getElementById("app");
if (target === null) throw new Error("sql/index.html has no #app");
mount(Sql, { target });
